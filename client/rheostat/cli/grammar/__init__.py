"""What can be said after `rheostat`, command by command. Imports argparse only."""
