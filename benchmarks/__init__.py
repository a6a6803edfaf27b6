"""Speed, as ratios within one run: what Linarite does against what this machine can do at all."""
