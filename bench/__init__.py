"""Side-by-side benchmarks: the registry and its peers in one run, on one machine.

Nothing here is a test: times are measured, never asserted. `make bench` runs all of it and writes
`bench/results.json`; `bench/README.md` says what is measured, how, and what is not comparable.
"""
