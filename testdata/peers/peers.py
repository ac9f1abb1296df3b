"""Times vitedge and other engines in turn on the same cores, on the same ViTs.

    python peers.py > table.md

README.md beside this file says how to install the engines.
"""

import argparse
import contextlib
import datetime
import importlib
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

import numpy as np

import vit

HERE = pathlib.Path(__file__).parent
MODULES = ["peer_onnxruntime", "peer_openvino", "peer_pytorch", "peer_ncnn"]
NAMES = {"tiny": "ViT-Ti", "small": "ViT-S", "base": "ViT-B"}


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Vitedge:
    """Our side: `vitedge bench` started anew for every turn."""

    label, variant = "**vitedge**", "int8 dynamic"

    def __init__(self, binary, command, env, size, threads, folder):
        self.logits_file = folder / "vitedge.logits"
        self.command = [*command, binary, "bench", "--json", "--random", size, "--threads", str(threads)]
        self.env = env
        self.ms = self.bench(3, "--logits", self.logits_file)["ms_min"]
        self.logits = np.fromfile(self.logits_file, "<f4")

    def bench(self, iterations, *more):
        command = [*self.command, "--iterations", str(iterations), *more]
        result = json.loads(subprocess.run(command, env=self.env, check=True, stdout=subprocess.PIPE).stdout)
        self.version = result["kernel"]
        return result

    def turn(self, seconds):
        result = self.bench(max(3, round(1000 * seconds / self.ms)))
        return result["ms_min"], result["ms_median"]

    def close(self):
        pass


class Peer:
    """One variant of an engine, in a process that lives for all turns."""

    def __init__(self, module, variant, command, env, size, threads, folder):
        self.label, self.variant = module.LABEL, variant
        self.version = importlib.metadata.version(module.DISTRIBUTION)
        self.log = open(folder / f"{module.__name__} {variant}.log", "w+")
        self.process = subprocess.Popen(
            [*command, sys.executable, HERE / "worker.py", module.__name__, variant, size, str(threads), folder],
            env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        hello = self.answer()
        if "LD_PRELOAD" in env and hello["features"]:
            raise RuntimeError(f"the processor's {hello['features']} are not hidden")
        self.logits = np.array(hello["logits"])

    def answer(self):
        for line in self.process.stdout:
            if line[0] in "{[":  # else what a library has to say
                return json.loads(line)
        self.log.seek(0)
        raise RuntimeError(f"{self.label} {self.variant} ended: {self.log.read()[-2000:]}")

    def turn(self, seconds):
        print(seconds, file=self.process.stdin, flush=True)
        times = self.answer()
        return min(times), statistics.median(times)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def sqnr(logits, exact):
    """Signal to noise of the logits in dB."""
    return 10 * np.log10((exact**2).sum() / ((logits - exact) ** 2).sum())


def measure(args, size, threads, isa, folder, modules, exact):
    """Rounds of turns; a list of results, ours first."""
    env = dict(os.environ, OMP_NUM_THREADS=str(threads))
    ours = dict(os.environ)
    if isa == "avx2":
        env["LD_PRELOAD"], ours["VITEDGE_KERNEL"] = str(folder / "cpuidmask.so"), "avx2"
    cores = args.cores.split(",")[:threads]
    command = [*args.prefix.split(), "taskset", "-c", ",".join(cores)]
    with contextlib.ExitStack() as stack:
        runners = [Vitedge(args.vitedge, command, ours, size, threads, folder)]
        for module, variant in modules:
            try:
                runners.append(Peer(module, variant, command, env, size, threads, folder))
                stack.callback(runners[-1].close)
            except RuntimeError as e:
                say(f"{module.LABEL} {variant}: {e}")
        turns = [[] for _ in runners]
        for r in range(args.rounds):
            for i in range(len(runners)):
                i = (i + r) % len(runners)
                time.sleep(0.05)  # the others' threads go to sleep
                turns[i].append(runners[i].turn(args.seconds))
            say(f"{isa} {size} {threads} threads, round {r + 1} of {args.rounds}:",
                *(f"{min(m for m, _ in t):.1f}" for t in turns))
    return [{
        "engine": r.label, "variant": r.variant, "version": r.version, "isa": isa, "size": size, "threads": threads,
        "ms_min": min(m for m, _ in t), "ms_median": statistics.median(m for _, m in t),
        "sqnr_db": float(sqnr(r.logits, exact)),
    } for r, t in zip(runners, turns)]


def table(results, isa, sizes, threads):
    """A row an engine: the minimum, the median in brackets, times our minimum; the
    worst signal to noise of its logits."""
    columns = [(s, t) for s in sizes for t in threads]
    found = {(r["engine"], r["variant"], r["size"], r["threads"]): r for r in results if r["isa"] == isa}
    yield "| engine | numbers | " + " | ".join(f"{NAMES[s]}, {t} thread{'s' * (t > 1)}" for s, t in columns) + " | SQNR |"
    yield "|---|---|" + "---|" * (len(columns) + 1)
    for engine, variant in dict.fromkeys(k[:2] for k in found):
        cells, noise = [], []
        for size, t in columns:
            r = found.get((engine, variant, size, t))
            us = found["**vitedge**", "int8 dynamic", size, t]
            if r is None:
                cells.append("–")
                continue
            noise.append(r["sqnr_db"])
            ratio = "" if r is us else f", {r['ms_min'] / us['ms_min']:.2f}×"
            cells.append(f"{r['ms_min']:.1f} ({r['ms_median']:.1f}){ratio}")
            version = r["version"]
        yield f"| {engine} {version} | {variant} | " + " | ".join(cells) + f" | {min(noise):.0f} dB |"


def processor():
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']}), {os.cpu_count()} cores"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vitedge", help="the program (default: built from this repository)")
    p.add_argument("--sizes", default="tiny,small,base")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--isa", default="native,avx2", help="native, avx2 or both")
    p.add_argument("--cores", default="0,1", help="the processor's cores to run on")
    p.add_argument("--prefix", default="", help="what to start every program with, such as \"chrt -r 5\" on a busy machine")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    p.add_argument("--engines", default=",".join(MODULES), help="of " + ", ".join(MODULES))
    p.add_argument("--work", type=pathlib.Path, help="folder for models (default: a temporary one)")
    p.add_argument("--json", type=pathlib.Path, help="write the results to this file, too")
    return p.parse_args()


def main():
    args = arguments()
    sizes, isas = args.sizes.split(","), args.isa.split(",")
    threads = [int(t) for t in args.threads.split(",")]
    absent, modules = [], []
    for name in args.engines.split(","):
        try:
            module = importlib.import_module(name)
            modules += [(module, v) for v in module.VARIANTS]
        except ImportError as e:
            absent.append(f"{name} ({e})")
    with contextlib.ExitStack() as stack:
        folder = args.work or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        if not args.vitedge:
            args.vitedge = folder / "vitedge"
            subprocess.run(["go", "build", "-o", args.vitedge, "./cmd/vitedge"], cwd=HERE.parent.parent, check=True)
        if "avx2" in isas:
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", folder / "cpuidmask.so", HERE / "cpuidmask.c"], check=True)
        load, results = os.getloadavg()[0], []
        for size in sizes:
            say(f"preparing {NAMES[size]}")
            exact, ready = vit.logits(size), []
            for module, variant in modules:
                try:
                    module.prepare(variant, size, folder)
                    ready.append((module, variant))
                except Exception:
                    traceback.print_exc()
                    absent.append(f"{module.LABEL} {variant}, {NAMES[size]}")
            for isa in isas:
                for t in threads:
                    results += measure(args, size, t, isa, folder, ready, exact)
                    if args.json:
                        args.json.write_text(json.dumps(results, indent=1))
    print(f"{processor()}, cores {args.cores}, {datetime.date.today()}, load {load:.1f} to {os.getloadavg()[0]:.1f}; "
          f"{args.rounds} rounds of {args.seconds} s in turn. Milliseconds, minimum (median), times ours.")
    for isa in isas:
        print()
        print(*table(results, isa, sizes, threads), sep="\n")
    if absent:
        print("\nNot there:", "; ".join(absent) + ".")


if __name__ == "__main__":
    main()
