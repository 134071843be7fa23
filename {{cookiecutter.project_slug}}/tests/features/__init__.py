"""The tests of the features, one folder each."""
