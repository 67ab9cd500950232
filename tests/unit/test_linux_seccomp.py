"""Docker profiles resolved, compiled and cached; the programs are run in a BPF machine of 20 lines."""

import errno
import os
import struct

import pytest

from minirun.errors import UnsupportedError, UsageError
from minirun.linux import capabilities, seccomp

pytestmark = pytest.mark.unit

X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS

only_x86_64 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")


def run(program, nr, *args, arch=X86_64):
    """What the filter returns for a call: classic BPF, as far as seccomp uses it."""
    data = struct.pack("<iIQ6Q", nr - 2**32 if nr >= 2**31 else nr, arch, 0, *args, *[0] * (6 - len(args)))
    accumulator, place = 0, 0
    while True:
        code, jump_true, jump_false, k = struct.unpack_from("=HBBI", program, place * 8)
        place += 1
        if code == 0x06:
            return k
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54:
            accumulator &= k
        elif code == 0x05:
            place += k
        else:
            truth = {
                0x15: accumulator == k,
                0x25: accumulator > k,
                0x35: accumulator >= k,
                0x45: accumulator & k,
            }[code]
            place += jump_true if truth else jump_false


def rule(names, action="SCMP_ACT_ALLOW", **more):
    return {"names": names.split(), "action": action, **more}


def arg(op, value, index=0, **more):
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, **more}


def profile(*rules, default="SCMP_ACT_ERRNO", **more):
    return {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"], "syscalls": list(rules), **more}


@pytest.fixture
def default_program(tmp_path):
    oci = seccomp.docker_profile_to_oci(seccomp.default_profile(), capabilities.DEFAULT)
    return seccomp.compile(oci, str(tmp_path))


# ---- resolving


def names_of(caps, arch="amd64", kernel="6.1.0-13-amd64"):
    oci = seccomp.docker_profile_to_oci(seccomp.default_profile(), caps, arch, kernel)
    return {name for entry in oci["syscalls"] for name in entry["names"]}


def test_a_capability_brings_its_calls():
    assert "mount" not in names_of(capabilities.DEFAULT)
    assert "mount" in names_of([*capabilities.DEFAULT, "CAP_SYS_ADMIN"])


def test_an_exclusion_goes_with_a_capability():
    oci = seccomp.docker_profile_to_oci(seccomp.default_profile(), ["CAP_SYS_ADMIN"], "amd64")
    clone = [entry for entry in oci["syscalls"] if "clone" in entry["names"]]
    assert len(clone) == 1
    assert "args" not in clone[0]


@pytest.mark.parametrize(
    ("arch", "there", "absent"), [("amd64", "arch_prctl", "set_tls"), ("arm64", "set_tls", "arch_prctl")]
)
def test_an_architecture_brings_its_calls(arch, there, absent):
    found = names_of([], arch)
    assert there in found
    assert absent not in found


def test_an_old_kernel_gets_no_ptrace():
    assert "ptrace" in names_of([], kernel="4.8.1")
    assert "ptrace" not in names_of([], kernel="4.7")


@pytest.mark.parametrize(
    ("arch", "architectures"),
    [
        ("amd64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
        ("arm64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]),
    ],
)
def test_32_bit_companions_are_filtered_too(arch, architectures):
    oci = seccomp.docker_profile_to_oci(seccomp.default_profile(), [], arch)
    assert oci["architectures"] == architectures


def test_a_plain_oci_profile_passes_unchanged():
    plain = profile(rule("read write"), rule("socket", args=[arg("EQ", 1)]), flags=[])
    assert seccomp.docker_profile_to_oci(plain, []) == plain


def test_the_old_single_name_is_read():
    old = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"name": "read", "action": "SCMP_ACT_ALLOW"}]}
    assert seccomp.docker_profile_to_oci(old, [])["syscalls"] == [rule("read")]


def test_architectures_twice_is_an_error():
    with pytest.raises(UsageError, match="not both"):
        seccomp.docker_profile_to_oci({"architectures": ["x"], "archMap": [{}]}, [])


@pytest.mark.parametrize(("content", "message"), [("{", "decoding"), ("[]", "no defaultAction")])
def test_a_broken_profile_file_is_named(tmp_path, content, message):
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        seccomp.load_profile(str(tmp_path / "p.json"))


def test_a_missing_profile_file_is_named():
    with pytest.raises(UsageError, match="/nowhere"):
        seccomp.load_profile("/nowhere")


# ---- compiling


@only_x86_64
@pytest.mark.parametrize(
    ("nr", "args", "result"),
    [
        (0, (), ALLOW),  # read
        (165, (), EPERM),  # mount
        (169, (), EPERM),  # reboot
        (161, (), ALLOW),  # chroot: CAP_SYS_CHROOT is a default
        (425, (), EPERM),  # io_uring_setup
        (435, (), ENOSYS),  # clone3: the C library then takes clone
        (56, (0x10000000,), EPERM),  # clone with CLONE_NEWUSER
        (56, (0x00000100,), ALLOW),  # clone of a thread
        (41, (2,), ALLOW),  # socket AF_INET
        (41, (16,), ALLOW),  # AF_NETLINK
        (41, (40,), EPERM),  # AF_VSOCK
        (41, (38,), EPERM),  # AF_ALG
        (135, (0xFFFFFFFF,), ALLOW),  # personality: asking only
        (135, (0x0040000,), EPERM),  # ADDR_NO_RANDOMIZE
        (1000, (), ENOSYS),  # from the future
        (0x40000000 + 1000, (), ENOSYS),  # x32, from the future
        (0x40000000 + 0, (), ALLOW),  # x32 read
    ],
)
def test_the_default_profile_judges(default_program, nr, args, result):
    assert run(default_program, nr, *args) == result


@only_x86_64
@pytest.mark.parametrize(("nr", "result"), [(3, ALLOW), (21, EPERM), (1000, ENOSYS)])
def test_32_bit_programs_are_judged_by_their_own_numbers(default_program, nr, result):
    assert run(default_program, nr, arch=I386) == result


@only_x86_64
def test_a_call_newer_than_libseccomp_or_allowed(default_program):
    """fchmodat2 (452): libseccomp 2.5.4 does not know it; EPERM would break chmod in newer C libraries."""
    assert run(default_program, 452) in (ENOSYS, ALLOW)


@only_x86_64
def test_every_capability_at_once_compiles(tmp_path):
    oci = seccomp.docker_profile_to_oci(seccomp.default_profile(), capabilities.NAMES)
    assert run(seccomp.compile(oci, str(tmp_path)), 165) == ALLOW


def test_the_arm64_profile_resolves_to_names_only_arm_has():
    assert "arm_sync_file_range" in names_of([], "arm64")


@only_x86_64
@pytest.mark.parametrize(
    ("op", "value", "yes", "no"),
    [
        ("EQ", 5, 5, 6),
        ("NE", 5, 6, 5),
        ("LT", 5, 4, 5),
        ("LE", 5, 5, 6),
        ("GT", 5, 6, 5),
        ("GE", 5, 5, 4),
        ("EQ", 2**40 + 1, 2**40 + 1, 1),
    ],
)
def test_operators(tmp_path, op, value, yes, no):
    program = seccomp.compile(profile(rule("close", args=[arg(op, value)])), str(tmp_path))
    assert run(program, 3, yes) == ALLOW
    assert run(program, 3, no) == EPERM


@only_x86_64
def test_masked_equality(tmp_path):
    masked = arg("MASKED_EQ", 0xF0, valueTwo=0x20)
    program = seccomp.compile(profile(rule("close", args=[masked])), str(tmp_path))
    assert run(program, 3, 0x2F) == ALLOW
    assert run(program, 3, 0x30) == EPERM


@only_x86_64
def test_comparisons_of_two_arguments_must_both_hold(tmp_path):
    program = seccomp.compile(
        profile(rule("dup2", args=[arg("EQ", 1), arg("EQ", 2, index=1)])), str(tmp_path)
    )
    assert run(program, 33, 1, 2) == ALLOW
    assert run(program, 33, 1, 3) == EPERM


@only_x86_64
def test_comparisons_of_one_argument_are_alternatives(tmp_path):
    program = seccomp.compile(profile(rule("close", args=[arg("EQ", 1), arg("EQ", 2)])), str(tmp_path))
    assert [run(program, 3, fd) for fd in (1, 2, 3)] == [ALLOW, ALLOW, EPERM]


@only_x86_64
@pytest.mark.parametrize(
    ("action", "more", "result"),
    [
        ("SCMP_ACT_KILL", {}, 0),
        ("SCMP_ACT_KILL_THREAD", {}, 0),
        ("SCMP_ACT_KILL_PROCESS", {}, KILL_PROCESS),
        ("SCMP_ACT_TRAP", {}, 0x00030000),
        ("SCMP_ACT_ERRNO", {}, EPERM),
        ("SCMP_ACT_ERRNO", {"errnoRet": errno.EBUSY}, ERRNO | errno.EBUSY),
        ("SCMP_ACT_TRACE", {}, 0x7FF00001),
        ("SCMP_ACT_LOG", {}, 0x7FFC0000),
    ],
)
def test_actions(tmp_path, action, more, result):
    program = seccomp.compile(profile(rule("close", action, **more), default="SCMP_ACT_ALLOW"), str(tmp_path))
    assert run(program, 3) == result
    assert run(program, 4) == ALLOW
    assert run(program, 1000) == ALLOW  # a profile that allows by default has no stub


@only_x86_64
def test_the_default_errno_is_used(tmp_path):
    program = seccomp.compile(profile(rule("read"), defaultErrnoRet=errno.EACCES), str(tmp_path))
    assert run(program, 2) == ENOSYS  # above read, the newest call the profile knows
    program = seccomp.compile(profile(rule("statx"), defaultErrnoRet=errno.EACCES), str(tmp_path))
    assert run(program, 2) == ERRNO | errno.EACCES


def test_an_unknown_call_is_skipped(tmp_path):
    assert seccomp.compile(profile(rule("nosuchcall read")), str(tmp_path))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (profile(rule("read", "SCMP_ACT_MAYBE")), 'action "SCMP_ACT_MAYBE"'),
        (profile(rule("read"), default="ALLOW"), 'action "ALLOW"'),
        (profile(rule("read", args=[arg("ABOUT", 1)])), 'operator "SCMP_CMP_ABOUT"'),
        (profile(rule("read", args=[arg("EQ", 1, index=6)])), "0 to 5"),
        (profile(rule("read", errnoRet=5)), "takes no errno"),
        (profile(architectures=["SCMP_ARCH_PDP11"]), 'architecture "SCMP_ARCH_PDP11"'),
        (profile(architectures=["x86_64"]), 'architecture "x86_64"'),
    ],
)
def test_errors_name_what_is_bad(tmp_path, bad, message):
    with pytest.raises(UsageError, match=message):
        seccomp.compile(bad, str(tmp_path))


def test_notify_is_not_there_yet(tmp_path):
    with pytest.raises(UnsupportedError, match="NOTIFY"):
        seccomp.compile(profile(rule("read", "SCMP_ACT_NOTIFY")), str(tmp_path))


@pytest.mark.parametrize(
    ("given", "bits"),
    [
        ({}, 4),
        ({"flags": []}, 0),
        ({"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]}, 3),
    ],
)
def test_flags(given, bits):
    assert seccomp.flags(given) == bits


def test_an_unknown_flag_is_named():
    with pytest.raises(UsageError, match="FLAG_X"):
        seccomp.flags({"flags": ["FLAG_X"]})


# ---- the cache


@pytest.fixture
def kept(tmp_path):
    """(profile, cache directory, program, its only file)."""
    oci, cache = profile(rule("read")), str(tmp_path / "cache")
    program = seccomp.compile(oci, cache)
    [name] = os.listdir(cache)
    return oci, cache, program, f"{cache}/{name}"


def no_library():
    raise AssertionError("the library was loaded")


def test_the_second_time_no_library_is_loaded(kept, monkeypatch):
    oci, cache, program, _ = kept
    monkeypatch.setattr(seccomp, "_load_library", no_library)
    assert seccomp.compile(oci, cache) == program


def test_the_cache_is_private(kept):
    _, cache, _, file = kept
    assert os.stat(cache).st_mode & 0o777 == 0o700
    assert os.stat(file).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("keep", [0, 5, 19, 20, 60, -8, -1])
def test_a_truncated_file_is_not_trusted(kept, keep):
    oci, cache, program, file = kept
    with open(file, "r+b") as opened:
        opened.truncate(keep if keep >= 0 else os.path.getsize(file) + keep)
    assert seccomp.compile(oci, cache) == program


def test_a_changed_byte_is_noticed(kept):
    oci, cache, program, file = kept
    with open(file, "r+b") as opened:
        opened.seek(-3, os.SEEK_END)
        opened.write(b"\xaa")
    assert seccomp.compile(oci, cache) == program


def test_a_file_others_may_write_is_not_trusted(kept, monkeypatch):
    oci, cache, _, file = kept
    os.chmod(file, 0o666)
    monkeypatch.setattr(seccomp, "_load_library", no_library)
    with pytest.raises(AssertionError, match="library was loaded"):
        seccomp.compile(oci, cache)


def test_the_same_checksum_is_not_the_same_profile(kept, monkeypatch):
    _, cache, program, _ = kept
    monkeypatch.setattr(seccomp.binascii, "crc32", lambda data: 0)
    first = seccomp.compile(profile(rule("write")), cache)
    second = seccomp.compile(profile(rule("statx")), cache)
    assert first != second
    assert program not in (first, second)


def test_a_new_libseccomp_compiles_anew(kept, monkeypatch):
    oci, cache, _, _ = kept
    monkeypatch.setattr(seccomp, "_library_file", lambda: "another")
    monkeypatch.setattr(seccomp, "_load_library", no_library)
    with pytest.raises(AssertionError, match="library was loaded"):
        seccomp.compile(oci, cache)


def test_an_unwritable_cache_does_not_matter():
    assert seccomp.compile(profile(rule("read")), "/proc/nowhere")
