"""Wang 2020 and Chen 2019: several losses in turn."""
