"""The benchmark suite: this library compared with its peers, every case interleaved, wins and losses alike.

`python -m bench` runs it; `bench/README.md` has the latest full results and says how to read them.
"""
