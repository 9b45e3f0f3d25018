"""Side-by-side benchmarks: the registry and its peers in one run, on one machine.

Times are measured, never asserted. `make bench` runs everything and writes `bench/results.json`;
`bench/README.md` describes the measurements and what is not comparable.
"""
