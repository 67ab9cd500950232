"""The words of `--output`."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.build import output_words
from minirun.errors import MinirunError, UsageError
from tests.fuzzing import fuzz


@pytest.mark.parametrize(
    ("text", "kind", "dest"),
    [
        ("out", "local", "out"),
        ("-", "tar", "-"),
        ("type=local,dest=out", "local", "out"),
        ("type=tar,dest=x.tar", "tar", "x.tar"),
        ("type=oci,dest=-", "oci", "-"),
        ("type=docker", "docker", ""),
        ("type=image", "image", ""),
        ("type=registry", "image", ""),
    ],
)
def test_what_and_where(text: str, kind: str, dest: str) -> None:
    output = output_words.parse(text)
    assert (output.kind, output.dest) == (kind, dest)


def test_a_registry_is_an_image_that_is_pushed() -> None:
    assert output_words.parse("type=registry,name=me/app").push
    assert not output_words.parse("type=registry,name=me/app,push=false").push


def test_all_words_of_an_image() -> None:
    output = output_words.parse(
        'type=image,"name=me/a,me/b:1",compression=zstd,compression-level=19,force-compression=true,'
        "annotation.k=v,annotation-manifest-descriptor.d=e,unpack=true,store=1"
    )
    assert output.names == ["me/a", "me/b:1"]
    assert (output.compression, output.level, output.force) == ("zstd", 19, True)
    assert output.annotations == {"manifest": {"k": "v"}, "manifest-descriptor": {"d": "e"}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("dest=x", "it has no type"),
        ("type=floppy", "no type 'floppy'; there are"),
        ("type=image,nmae=x", "did you mean 'name'"),
        ("type=local", "wants a directory"),
        ("type=local,dest=-", "wants a directory"),
        ("type=tar", "wants a file"),
        ("type=image,dest=x", "goes into the store"),
        ("type=tar,dest=x,push=true", "push is for type=image"),
        ("type=image,push=maybe", "true or false"),
        ("type=oci,dest=x,compression=estargz", "no compression 'estargz'"),
        ("type=oci,dest=x,compression=gzip,compression-level=10", "0 to 9"),
        ("type=docker,dest=x,compression=zstd,oci-mediatypes=false", "no zstd"),
        ("type=local,dest=x,mode=move", "copy or delete"),
        ("type=image,tar=false", "tar=false is for"),
        ("type=image,name=UPPER", "lower case"),
        ("type=image,annotation-index.a=b", "has no index"),
        ("type=image,registry.insecure=true", "one build cannot decide"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(MinirunError, match=why):
        output_words.parse(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=b", [("manifest", "a", "b")]),
        ("manifest-descriptor:a=b", [("manifest-descriptor", "a", "b")]),
        (
            "manifest,manifest-descriptor:a=b=c",
            [("manifest", "a", "b=c"), ("manifest-descriptor", "a", "b=c")],
        ),
        ("manifest[linux/amd64]:a=b", [("manifest", "a", "b")]),
    ],
)
def test_annotations(text: str, found: list[tuple[str, str, str]]) -> None:
    assert output_words.annotation_words([text]) == found


def test_an_annotation_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid --annotation"):
        output_words.annotation_words(["a"])


WORDS = "type dest name push compression compression-level tar mode annotation.a = image local oci docker registry"
WORDS += ' gzip zstd true - , " 9 ü'  # an argument has no NUL


@fuzz(300)
@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS.split())).map("".join)))
def test_whatever_is_typed_is_an_output_or_one_sentence(text: str) -> None:
    with contextlib.suppress(MinirunError):
        assert output_words.parse(text).kind in output_words.KINDS
