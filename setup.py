"""Extensions of the packet core.

`HEADWATER_BUILD` = release | debug | trace | asan | tsan chooses the flags.
`HEADWATER_IPSEC_MB` = auto | off: auto uses ipsec-mb when its header is there.
`HEADWATER_EXTENSIONS` = all (with the tests' probes) | product | none chooses what is built.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

BUILD = os.environ.get("HEADWATER_BUILD", "release")
BUILDS = {
    "release": ["-O3", "-g1"],
    "debug": ["-O1", "-g", "-DHEADWATER_DEBUG"],
    "trace": ["-O1", "-g", "-DCYTHON_TRACE_NOGIL=1"],
    "asan": [
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize=alignment",
        "-fno-omit-frame-pointer",
    ],
    "tsan": ["-O1", "-g", "-fsanitize=thread"],
}
EXTENSIONS = os.environ.get("HEADWATER_EXTENSIONS", "all")
if BUILD not in BUILDS:
    sys.exit(f"HEADWATER_BUILD={BUILD}: must be one of {', '.join(BUILDS)}")

COMPILE = [*BUILDS[BUILD], "-fvisibility=hidden", "-Wno-unused-function", "-Wno-maybe-uninitialized"]
LINK = [flag for flag in COMPILE if flag.startswith("-fsanitize=")]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": BUILD in ("debug", "trace"),
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "linetrace": BUILD == "trace",
    "embedsignature": True,
}


def compiles(source: str, libraries: list[str]) -> bool:
    """True if the C compiler builds and links `source`."""
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp) / "probe.c"
        path.write_text(source)
        command = [
            os.environ.get("CC", "cc"),
            str(path),
            "-o",
            str(path.with_suffix("")),
            *[f"-l{x}" for x in libraries],
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


IPSEC_MB = os.environ.get("HEADWATER_IPSEC_MB", "auto") != "off" and compiles(
    "#include <intel-ipsec-mb.h>\nint main(void){IMB_MGR*m=alloc_mb_mgr(0);return m==0;}", ["IPSec_MB"]
)
MACROS = [("HEADWATER_IPSEC_MB", "1" if IPSEC_MB else "0"), ("_GNU_SOURCE", "1")]
LIBRARIES = {"sfu._fastpath.stream.srtp": ["crypto", *(["IPSec_MB"] if IPSEC_MB else [])]}


def extensions() -> list[Extension]:
    """One extension for each .pyx of the packet core, the load client and the tests' probes."""
    roots = {"all": ["sfu", "bench", "tests"], "product": ["sfu", "bench"], "none": []}
    made = []
    for path in sorted(path for root in roots[EXTENSIONS] for path in Path(root).rglob("*.pyx")):
        name = ".".join(path.with_suffix("").parts)
        needs_crypto = name in LIBRARIES or "srtp" in name or name.startswith("bench.")
        made.append(
            Extension(
                name,
                [str(path)],
                include_dirs=["sfu/_fastpath/includes"],
                libraries=LIBRARIES["sfu._fastpath.stream.srtp"] if needs_crypto else ["crypto"],
                define_macros=MACROS,
                extra_compile_args=COMPILE,
                extra_link_args=LINK,
            )
        )
    return made


setup(
    ext_modules=cythonize(
        extensions(),
        compiler_directives=DIRECTIVES,
        nthreads=os.cpu_count() or 1,
        show_all_warnings=False,
        build_dir=f"build/cython-{BUILD}",
    )
)
