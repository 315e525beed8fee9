"""Facts -> findings, one file a rule: id = file = test = heading in the docs."""
