"""The make-believe REDCap site and its past bills, for the demo, the tests and the benchmarks. Nobody in it is real."""
