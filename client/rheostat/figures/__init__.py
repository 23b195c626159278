"""What a transfer looks like: plots for print, and one report in HTML."""
