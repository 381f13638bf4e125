"""How many requests a second an emulated server of a language model serves on one core.

`python -m tightrope.dataplane.llm_bench`. Arrivals and lengths are drawn on the way, these with the means and
variations of the Azure conversation trace of 2023 (Azure/AzurePublicDataset): 1155 tokens in, 211 out. Rates are by the
seconds of a core that this process used, so that they are the same on a machine that does something else too.
"""

import os
import platform
import time
from dataclasses import replace

import numpy as np

from tightrope.dataplane.arrivals import RandomArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.llm import LlmServer, compile_now
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.tokens import RandomTokens, TokenMix

REQUESTS = 1e6
CHAT = TokenMix(mean_input_tokens=1155, cv_input=0.96, mean_output_tokens=211, cv_output=0.77)
# Llama-3.1-8B on two A100, as `llm_profile` fits the published runs of SageServe (shashwatj07/SageServe) up to 4300
# tokens; the cache is an assumption.
SERVER = LlmModel(
    step_base_seconds=0.00834,
    step_per_sequence_seconds=0.000246,
    prefill_base_seconds=0.010,
    prefill_per_token_seconds=0.0000417,
    cache_tokens=400_000,
)


def speed(model: LlmModel, *, load: float, requests: float = REQUESTS, step_seconds: float) -> float:
    """Requests per second of a core's time that one pod serves at this share of its saturation rate."""
    rate = load * model.saturation(CHAT.averages())
    arrivals, tokens = RandomArrivals(RateCurve([(0.0, rate)]), seed=1), RandomTokens(CHAT, seed=2)
    server = LlmServer(model)
    begun, served = time.process_time(), 0
    for until in np.arange(step_seconds, requests / rate, step_seconds).tolist():
        served += len(server.advance(tokens.of(arrivals.until(until)), until))
    return served / (time.process_time() - begun)


def main() -> None:
    begun = time.perf_counter()
    compile_now()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, {os.getloadavg()[0]:.1f} processes at work")
    print(f"first call: {time.perf_counter() - begun:.1f} s")
    chunked = replace(SERVER, chunk_tokens=512)
    for name, model in (("prefill by itself", SERVER), ("prefill in chunks of 512", chunked)):
        for load, step in ((0.3, 15.0), (0.7, 15.0), (0.95, 15.0), (0.95, 900.0)):
            found = speed(model, load=load, step_seconds=step)
            print(f"{name}, load {load:.0%}, steps of {step:g} s: {found:,.0f} requests/s")


if __name__ == "__main__":
    main()
