"""``python -m bench.truth blimp …``: see ``bench/truth/blimp.py``."""

from bench.truth.blimp import main

main()
