# SPDX-License-Identifier: Apache-2.0
"""Small process networks for the tests of tokens and depths."""

from hypothesis import strategies as st

from swm.accelerator.network import Network, Port, Program, Run


def every(edge, count, step=1, start=0, **more):
    return Port(edge, (), (Run(start, step, count),), **more)


def stage(name, source, target, beats, step=1, latency=1, start=0):
    """Reads and writes a beat every `step` iterations."""
    sources = (source,) if isinstance(source, str) else source
    targets = (target,) if isinstance(target, str) else target
    ports = [tuple(every(e, beats, step, start) for e in edges) for edges in (sources, targets)]
    return Program(name, 0, beats * step + start, 0, 1, latency, *ports)


def mac(name, source, target, loads, period, drains, gap, latency=2):
    """Prologue loads at full speed, steady loads spread over the period before, drains in the period after."""
    load = Port(source, (Run(0, 1, loads),), (Run(-period, period // loads, loads),))
    drain = Port(target, (), (Run(period, gap, drains),))
    return Program(name, loads, period, gap * (drains - 1) + 1, 1, latency, (load,), (drain,))


def residual(beats=4, slow=3, latency=2):
    """fork → (gather → spread) and a shortcut → add; `gather` reads all beats before it writes one."""
    return Network(
        (
            stage("fork", "in", ("main", "skip"), beats),
            Program(
                "gather",
                0,
                beats * (1 + slow),
                0,
                1,
                latency,
                (every("main", beats),),
                (every("back", beats, slow, beats),),
            ),
            stage("add", ("back", "skip"), "out", beats),
        ),
        ("in", "main", "skip", "back", "out"),
    )


@st.composite
def networks(draw, latencies=4, wide=True):
    """Chains with diamonds in them, of stages, gathering stages, MACs, and processes that move several beats."""
    beats, programs, edges = draw(st.integers(1, 5)), [], ["e0"]

    def edge():
        edges.append(f"e{len(edges)}")
        return edges[-1]

    def link(source):
        name, target = f"p{len(programs)}", edge()
        latency = draw(st.integers(0, latencies))
        kind = draw(st.sampled_from(["stage", "gather", "mac", "wide"] if wide else ["stage", "gather", "mac"]))
        if kind == "stage":
            made = stage(name, source, target, beats, draw(st.integers(1, 3)), latency, draw(st.integers(0, 2)))
        elif kind == "gather":
            gap = draw(st.integers(1, 3))
            reads, writes = (every(source, beats),), (every(target, beats, gap, beats),)
            made = Program(name, 0, beats * (1 + gap), 0, 1, latency, reads, writes)
        elif kind == "mac":
            period = draw(st.integers(beats, 3 * beats))
            made = mac(name, source, target, beats, period, beats, draw(st.integers(1, period // beats)), latency)
        else:
            parts = draw(st.integers(1, 3))
            events = -(-beats // parts)
            port = {"beats_per_event": parts, "beats": beats}
            reads, writes = (every(source, events, **port),), (every(target, events, **port),)
            made = Program(name, 0, events, 0, parts, latency + parts - 1, reads, writes)
        programs.append(made)
        return target

    at = "e0"
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            left, right, joined = edge(), edge(), edge()
            programs.append(stage(f"p{len(programs)}", at, (left, right), beats, latency=draw(st.integers(0, 1))))
            for _ in range(draw(st.integers(1, 2))):
                left = link(left)
            if draw(st.booleans()):
                right = link(right)
            programs.append(stage(f"p{len(programs)}", (left, right), joined, beats, latency=draw(st.integers(0, 1))))
            at = joined
        else:
            at = link(at)
    return Network(tuple(programs), tuple(edges), draw(st.integers(1, 2)))
