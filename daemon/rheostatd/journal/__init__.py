"""What the daemon keeps on disk: jobs (the service writes), pulses (the executor writes), arrays by content hash."""
