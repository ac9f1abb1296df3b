"""One engine in a process of its own: `worker.py MODULE VARIANT SIZE THREADS FOLDER`.

It answers every line of stdin, a number of seconds, with a line of JSON: the
times in ms of the inferences that fit, at least three. The first line it prints
says what it found and what the logits are.
"""

import importlib
import importlib.metadata
import json
import pathlib
import sys
import time
import warnings

import numpy as np

import vit

MASKED = ("AVX512F", "AVX512VNNI")


def main(module, variant, size, threads, folder):
    warnings.simplefilter("ignore")
    peer = importlib.import_module(module)
    infer = peer.load(variant, size, pathlib.Path(folder), int(threads))
    picture = vit.normalized(vit.pixels())
    logits = infer(picture)
    features = np._core._multiarray_umath.__cpu_features__
    print(json.dumps({"logits": [float(v) for v in logits], "features": [f for f in MASKED if features.get(f)]}), flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while len(times) < 3 or time.perf_counter() < end:
            began = time.perf_counter()
            infer(picture)
            times.append(1000 * (time.perf_counter() - began))
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
