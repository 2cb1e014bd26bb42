"""The make-believe REDCap site and its past bills: for the demo, the tests and the benchmarks. No real person is in it."""
