"""The benchmark suite: this library beside its peers, every case interleaved, wins and losses alike.

`python -m bench` runs it; `bench/README.md` holds the last full results and tells how to read them.
"""
