"""Register a model: the tagged node, with its registry dataset bound to the workspace's models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

# travels beside this script
import run_step  # type: ignore[import-not-found]


def main(argv: Sequence[str]) -> None:
    """Run the register node.

    Args:
        argv: ``--model_name`` and ``--model_path``, as the how-to's script has them, and what
            run_step.py takes.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model_name", required=True)
    parser.add_argument("--model_path", required=True)
    arguments, rest = parser.parse_known_args(argv)
    print(f"model_name : {arguments.model_name}")
    print(f"model_path: {arguments.model_path}")
    run_step.main(rest, model_path=arguments.model_path, model_name=arguments.model_name)


if __name__ == "__main__":
    run_step.log_in_lines()
    main(sys.argv[1:])
