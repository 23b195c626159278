"""What a transfer looks like: plots for print, one report in HTML, and the figures of merit of measured trains."""
