"""Long command lines: all that execve(2) takes reaches the program, and what it does not take is told in a sentence."""

import pytest

LONGEST = 131_071  # characters of one word: MAX_ARG_STRLEN without the 0 at its end


@pytest.fixture
def sleeper(start):
    return start("busybox", "sleep", "1000")


@pytest.mark.parametrize("size", [8_192, LONGEST])
def test_one_long_word_in_every_place(minirun, size):
    word = "x" * (size - len("name=y"))
    words = ["-e", f"A={word}", "-l", f"A={word}", "--annotation", f"A={word}"]
    script = "echo ${#A} ${#1}"
    result = minirun("run", "--rm", *words, "busybox", "sh", "-c", script, "sh", word, check=True)
    assert result.stdout == f"{len(word)} {len(word)}\n"
    assert minirun("ps", "-aq").stdout == ""


def test_many_words(minirun):
    volumes = [word for number in range(150) for word in ("-v", f"/etc/hosts:/many/{number}")]
    labels = [word for number in range(300) for word in ("-l", f"l{number}={'y' * 1000}")]
    arguments = ["x" * 100_000] * 10
    words = [*volumes, *labels, "busybox", "sh", "-c", "ls /many | wc -l; echo $#", "sh", *arguments]
    assert minirun("run", "--rm", *words, check=True).stdout == "150\n10\n"


@pytest.mark.parametrize("words", [["x" * 70_000], ["x" * LONGEST] * 12])
def test_an_exec_of_long_words(sleeper, words):
    result = sleeper.exec("sh", "-c", "echo $# ${#1}", "sh", *words)
    assert (result.code, result.stdout) == (0, f"{len(words)} {len(words[0])}\n")


def test_an_exec_with_long_variables_and_a_terminal(minirun, sleeper):
    value = "x" * 120_000
    assert minirun("exec", "-e", f"A={value}", sleeper.id, "sh", "-c", "echo ${#A}").stdout == "120000\n"
    assert minirun("exec", "-t", sleeper.id, "sh", "-c", "echo ${#1}", "sh", value).stdout == "120000\n"


def test_what_the_kernel_does_not_take_is_told(minirun, sleeper, tmp_path):
    one, many = tmp_path / "one", tmp_path / "many"
    one.write_text(f"A={'x' * 200_000}\n")
    many.write_text("".join(f"A{number}={'x' * 120_000}\n" for number in range(60)))
    for file, commands in ((one, (["run", "--rm"], ["exec"])), (many, (["run", "--rm", "--init"], ["exec"]))):
        for words in commands:
            target = sleeper.id if words == ["exec"] else "busybox"
            result = minirun(*words, "--env-file", file, target, "true")
            assert result.code == 126
            assert "argument list too long" in result.stderr.splitlines()[0]
            assert "128 KiB each" in result.stderr
    assert len(minirun("ps", "-aq").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-u", "x" * 120_000], "unable to find user xxx"),
        (["-u", f"0:{'g' * 120_000}"], "unable to find group ggg"),
        (["-w", "/" + "x" * 120_000], "File name too long"),
        (["--env-file", "/" + "x" * 120_000], "File name too long"),
    ],
)
def test_a_long_word_that_is_wrong_is_told_in_short(minirun, sleeper, words, said):
    for command, target in (("run", "busybox"), ("exec", sleeper.id)):
        result = minirun(command, *words, target, "true")
        assert result.code in (125, 126)
        assert said in result.stderr
        assert len(result.stderr) < 2200
    assert sleeper.exec("true").code == 0
