"""Run every benchmark, or those named first: `python -m bench fanout --rounds 2`."""

from collections.abc import Sequence

from bench import fanout, growth, idle, processes, resume, scale, send_message, stalled, synapse

BENCHMARKS = {
    "send_message": send_message.main,
    "fanout": fanout.main,
    "growth": growth.main,
    "idle": idle.main,
    "stalled": stalled.main,
    "resume": resume.main,
    "scale": scale.main,
    "synapse": synapse.main,
}


def main(arguments: Sequence[str]) -> None:
    """Give each benchmark the options; the others are for all of them."""
    names = [argument for argument in arguments if argument in BENCHMARKS]
    options = [argument for argument in arguments if argument not in BENCHMARKS]
    if not names and {"-h", "--help"} & set(options):
        print(f"usage: python -m bench [{'] ['.join(BENCHMARKS)}] [options]")
        print("Without a name every benchmark runs. `python -m bench fanout --help` lists options.")
        return
    for name in names or BENCHMARKS:
        BENCHMARKS[name](options)


if __name__ == "__main__":
    processes.run(main)
