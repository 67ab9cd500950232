"""Names of images: Docker's rules, as tables."""

import pytest

from minirun.errors import UsageError
from minirun.image import reference

DIGEST = "sha256:" + "ab" * 32

CANONICAL = {
    "alpine": "docker.io/library/alpine:latest",
    "alpine:3.19": "docker.io/library/alpine:3.19",
    "me/tool": "docker.io/me/tool:latest",
    "library/alpine": "docker.io/library/alpine:latest",
    "docker.io/alpine": "docker.io/library/alpine:latest",
    "index.docker.io/alpine": "docker.io/library/alpine:latest",
    "localhost/tool": "localhost/tool:latest",
    "localhost:5000/a/b:1": "localhost:5000/a/b:1",
    "127.0.0.1:5000/tool": "127.0.0.1:5000/tool:latest",
    "[::1]:5000/tool": "[::1]:5000/tool:latest",
    "quay.io/a/b/c": "quay.io/a/b/c:latest",
    "Host/tool": "Host/tool:latest",
    f"alpine@{DIGEST}": f"docker.io/library/alpine@{DIGEST}",
    f"alpine:3@{DIGEST}": f"docker.io/library/alpine:3@{DIGEST}",
    "a__b-c--d.e": "docker.io/library/a__b-c--d.e:latest",
    "a:" + "t" * 128: "docker.io/library/a:" + "t" * 128,
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_short_names_become_canonical(text: str, canonical: str) -> None:
    assert str(reference.parse(text)) == canonical


REFUSED = {
    "": "no repository name",
    "Alpine": "'Alpine'",
    "me/Tool": "'Tool'",
    "alpine:": "''",
    "alpine:-x": "'-x'",
    "a:" + "t" * 129: "'" + "t" * 129 + "'",
    "alpine@sha256:12": "'sha256:12'",
    "alpine@": "''",
    "a//b": "''",
    "-a": "'-a'",
    "a_": "'a_'",
    "a...b": "'a...b'",
    "ab" * 32: "image id",
    "x" * 256: "longer than 255",
    "ho st.com/a": "'ho st.com'",
    ".com/a": "'.com'",
    "a:5000x/b": "'a:5000x'",
    "../etc": "'..'",
    "a b": "'a b'",
    "alpine\n": "'alpine\n'",
}


@pytest.mark.parametrize(("text", "quoted"), REFUSED.items())
def test_the_error_quotes_the_bad_part(text: str, quoted: str) -> None:
    with pytest.raises(UsageError) as error:
        reference.parse(text)
    assert quoted in error.value.message
    assert error.value.message.startswith("invalid reference format")


def test_a_name_that_is_wrong_as_a_whole_is_quoted_once() -> None:
    with pytest.raises(UsageError) as error:
        reference.parse("BusyBox")
    assert error.value.message == "invalid reference format: 'BusyBox': a repository name must be lower case"


FAMILIAR = {
    "docker.io/library/alpine:latest": "alpine:latest",
    "docker.io/me/tool:1": "me/tool:1",
    "localhost:5000/tool": "localhost:5000/tool:latest",
    "docker.io/a.b/tool": "docker.io/a.b/tool:latest",  # without docker.io, a.b would be a registry
    "docker.io/library/me/tool": "docker.io/library/me/tool:latest",
}


@pytest.mark.parametrize(("text", "familiar"), FAMILIAR.items())
def test_familiar_is_what_people_write(text: str, familiar: str) -> None:
    assert reference.parse(text).familiar == familiar
    assert reference.parse(familiar) == reference.parse(text)
