"""What the machine offers the embedded model: threads, memory, and the window that fits.

Containers lie: the number of processors and the free memory are those of the cgroup, not of the host.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kcode.config.settings import EmbeddedSettings
from kcode.providers.embedded.gguf import GgufHead

GB = 1024**3
SLOTS = 8  # answers decoded side by side
SMALL_MODEL_BELOW = 4 * GB  # free memory under which the 0.5B model is advised
MIN_CONTEXT = 2048  # tokens
AUTO_CONTEXT = 16_384  # tokens; a longer prompt takes minutes to read on a few cores
SAMPLING_CELLS = 2048  # tokens of the pool that parallel samples may need beside a chat

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Plan:
    """How the worker is started. ``advice`` is a sentence for the user, or empty."""

    threads: int
    context: int  # tokens
    prompt_cache_mb: int  # memory for prompts that left their slot
    advice: str = ""


def plan(head: GgufHead, settings: EmbeddedSettings) -> Plan:
    """Threads and window for a model of this size on this machine; the user's settings win."""
    memory = available_memory()
    threads = settings.threads or physical_cores()
    # The weights are mapped: what does not fit is read again from the file, slowly. So they count.
    spare = memory - head.file_bytes - GB // 2
    fitting = max(0, spare) // 2 // max(1, head.kv_bytes)
    automatic = max(MIN_CONTEXT, min(head.context, AUTO_CONTEXT, fitting // 1024 * 1024))
    context = min(settings.context, head.context) if settings.context else automatic
    advice = ""
    if memory < SMALL_MODEL_BELOW and head.file_bytes > 700 * 1024**2:
        advice = f"only {memory / GB:.1f} GB of memory are free: qwen2.5-coder-0.5b fits this machine better"
    return Plan(threads, context, max(0, min(1024, spare // 4 // 1024**2)), advice)


def physical_cores() -> int:
    """Cores this process may use: affinity and cgroup quota respected, hyper-threads counted once."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return max(1, (os.cpu_count() or 2) // 2)
    cores = {_core_of(cpu) for cpu in allowed}
    quota = _cpu_quota()
    count = len(cores) if quota is None else min(len(cores), max(1, int(quota)))
    # In most virtual machines the "threads" of one core are all there is; one thread would halve the speed.
    if len(allowed) <= 2 and (quota is None or quota >= len(allowed)):
        count = len(allowed)
    return max(1, count)


def _core_of(cpu: int) -> tuple[str, str]:
    topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
    core, package = _read(topology / "core_id"), _read(topology / "physical_package_id")
    return (package, core) if core else ("", str(cpu))


def _cpu_quota() -> float | None:
    fields = _read(_CGROUP / "cpu.max").split()
    if len(fields) == 2 and fields[0] != "max":
        return int(fields[0]) / int(fields[1])
    old, period = _read(_CGROUP / "cpu/cpu.cfs_quota_us"), _read(_CGROUP / "cpu/cpu.cfs_period_us")
    if old and period and int(old) > 0:
        return int(old) / int(period)
    return None


def available_memory() -> int:
    """Bytes that can be used without swapping, of the machine or of the cgroup, whichever is less."""
    machine = _meminfo()
    for limit_file, usage_file, cache_key in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, usage = _read(_CGROUP / limit_file), _read(_CGROUP / usage_file)
        if limit.isdigit() and usage.isdigit():
            stat = dict(
                line.split(" ", 1)
                for line in _read((_CGROUP / limit_file).parent / "memory.stat").splitlines()
                if " " in line
            )
            reclaimable = int(stat.get(cache_key, "0"))
            return min(machine, max(0, int(limit) - int(usage) + reclaimable))
    return machine


def _meminfo() -> int:
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 4 * GB


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
