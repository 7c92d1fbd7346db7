# SPDX-License-Identifier: Apache-2.0
"""Discovery: a broken plugin costs its own backend and nothing else, and the doctor says why."""

import json
import subprocess
import sys
import textwrap

import pytest

PLUGINS = {
    "raises": "raise RuntimeError('bad wheel')",
    "exits": "import sys; sys.exit(3)",
    "wrongapi": """
        from candelabra.dispatcher.backend import BackendInfo
        from candelabra.dispatcher.hookspecs import hookimpl
        @hookimpl
        def candelabra_backends():
            return [BackendInfo(name="wrongapi", loads="nowhere:Nothing", api=99)]
    """,
    "needs": """
        from candelabra.dispatcher.backend import BackendInfo
        from candelabra.dispatcher.hookspecs import hookimpl
        @hookimpl
        def candelabra_backends():
            return [BackendInfo(name="needs", loads="nowhere:Nothing", requires=("no_such_library",), install="pip install it")]
    """,
    "hangs": """
        import time
        from candelabra.dispatcher.backend import BackendInfo
        from candelabra.dispatcher.hookspecs import hookimpl
        @hookimpl
        def candelabra_backends():
            return [BackendInfo(name="hangs", loads="plugin_hangs:Slow")]
        class Slow:
            def __init__(self):
                time.sleep(3600)
    """,
    "notabackend": """
        from candelabra.dispatcher.backend import BackendInfo
        from candelabra.dispatcher.hookspecs import hookimpl
        @hookimpl
        def candelabra_backends():
            return [BackendInfo(name="notabackend", loads="plugin_notabackend:Thing")]
        class Thing:
            pass
    """,
    "wrongreturn": """
        from candelabra.dispatcher.hookspecs import hookimpl
        @hookimpl
        def candelabra_backends():
            return ["a string"]
    """,
    "dies": "import os; os._exit(7)",
    "nohook": "candelabra_backends = 5",
    "good": """
        from candelabra.dispatcher.backend import BackendInfo
        from candelabra.dispatcher.hookspecs import hookimpl
        @hookimpl
        def candelabra_backends():
            return [BackendInfo(name="good", loads="candelabra_cpu.backend:CPUBackend", version="9")]
    """,
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A folder on the path with one distribution of broken plugins, found through real entry points."""
    folder = tmp_path_factory.mktemp("plugins")
    info = folder / "broken_plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugins\nVersion: 1.0\n")
    lines = ["[candelabra]", *(f"{name} = plugin_{name}" for name in PLUGINS)]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for name, code in PLUGINS.items():
        (folder / f"plugin_{name}.py").write_text(textwrap.dedent(code))
    return folder


def run(environment, code, **settings):
    """stdout of a program that sees the plugins."""
    code = f"import sys; sys.path.insert(0, {str(environment)!r})\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={"PATH": "", "CANDELABRA_PROBE_TIMEOUT_S": "1", **settings},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_broken_plugins_leave_the_cpu_untouched(environment):
    out = run(
        environment,
        """
        import time, candelabra as cb
        start = time.perf_counter()
        x = cb.ones(3) + 1
        print(x.tolist(), time.perf_counter() - start < 1, any(m.startswith("plugin_") for m in sys.modules))
        """,
    )
    assert out == "[2.0, 2.0, 2.0] True False"


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("raises", "CB201", "bad wheel"),
        ("exits", "CB201", "SystemExit"),
        ("wrongapi", "CB203", "contract version 99"),
        ("needs", "CB201", "no_such_library, which is not installed; pip install it"),
        ("hangs", "CB201", "did not answer within 1 s"),
        ("notabackend", "CB203", "must be a Backend"),
        ("wrongreturn", "CB203", "BackendInfo"),
    ],
)
def test_broken_plugin_names_itself_and_its_cause(environment, name, code, text):
    out = run(
        environment,
        f"""
        import candelabra as cb
        try:
            cb.ones(1, device="{name}")
        except cb.CandelabraError as error:
            print(error.code, error)
        print((cb.ones(1) + 1).item())
        """,
    )
    first, last = out.splitlines()
    assert first.startswith(code)
    assert text in first
    assert name in first
    assert last == "2.0"


def test_unknown_device_lists_the_known(environment):
    out = run(
        environment,
        """
        import candelabra as cb
        try:
            cb.ones(1, device="nonesuch")
        except cb.CandelabraError as error:
            print(error.code, error)
        """,
    )
    assert out.startswith('CB103 device "nonesuch"')
    assert "cpu" in out


def test_default_device_by_environment(environment):
    out = run(environment, "import candelabra as cb; print(cb.ones(1).device)", CANDELABRA_DEVICE="good")
    assert out == "good"


def test_doctor_reports_each_plugin_and_survives_all(environment):
    import os

    env = {**os.environ, "PYTHONPATH": str(environment), "CANDELABRA_PROBE_TIMEOUT_S": "1"}
    command = [sys.executable, "-m", "candelabra", "doctor", "--json", "--timeout-s", "20"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 1, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["backends"]}
    assert rows["cpu"]["devices"] == ["cpu"]
    assert not rows["cpu"]["problem"]
    assert rows["good"]["version"] == "9"
    assert all(
        rows[name]["problem"]
        for name in ("raises", "exits", "dies", "nohook", "wrongapi", "needs", "hangs", "notabackend")
    )
