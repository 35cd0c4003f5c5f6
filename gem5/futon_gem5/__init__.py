"""futon's gem5 configuration; see run.py. A configuration of your own may import these modules, too."""
