"""The words of RUN --mount, as moby/buildkit's parseMount takes them."""

from typing import Any

import pytest

from minirun.build import mounts
from minirun.errors import UsageError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("target=/a", {"kind": "bind", "target": "/a", "source": "", "readonly": True}),
        ("type=bind,source=b,dst=/a,from=x,rw", {"source": "b", "source_stage": "x", "readonly": False}),
        ("src=b,destination=/a,readwrite=false", {"source": "b", "target": "/a", "readonly": True}),
        ("type=cache,target=/a", {"kind": "cache", "readonly": False, "sharing": "", "id": ""}),
        ("type=cache,id=n,target=/a,sharing=LOCKED,ro", {"id": "n", "sharing": "locked", "readonly": True}),
        ("type=cache,target=/a,mode=0700,uid=5,gid=6", {"mode": 0o700, "uid": 5, "gid": 6}),
        ("type=tmpfs,target=/a,size=10m", {"kind": "tmpfs", "size": 10 * 2**20, "readonly": False}),
        ("type=tmpfs,target=/a,size=1.5GB", {"size": 3 * 2**29}),
        ("type=secret,id=k", {"kind": "secret", "id": "k", "required": False, "mode": None}),
        ("type=secret,id=k,required,mode=400", {"required": True, "mode": 0o400}),
        ("type=secret,id=k,env=K,required=false", {"env": "K", "required": False}),
        ("TYPE=SSH,required=1", {"kind": "ssh", "required": True}),
        ("required,type=ssh", {"kind": "ssh", "required": True}),
        ('type=bind,"source=a,b",target=/a', {"source": "a,b"}),
        ('type=bind,"source=a""b",target=/a', {"source": 'a"b'}),
    ],
)
def test_a_mount(value: str, expected: dict[str, Any]) -> None:
    mount = mounts.parse(value)
    assert {key: getattr(mount, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("type=chace,target=/a", 'unsupported mount type "chace" (did you mean cache?)'),
        ("type=,target=/a", 'unsupported mount type ""'),
        ("tagret=/a", "unexpected key 'tagret' in 'tagret=/a' (did you mean target?)"),
        ("foo", "invalid field 'foo' must be a key=value pair"),
        ("", "invalid field '' must be a key=value pair"),
        ("target=/a,ro=maybe", "invalid value for ro: maybe"),
        ("target=/a,required", "unexpected key 'required' for mount type 'bind'"),
        ("target=/a,size=1", "unexpected key 'size' for mount type 'bind'"),
        ("target=/a,mode=0700", 'mode not allowed for "bind" type mounts'),
        ("type=tmpfs,target=/a,uid=1", 'uid not allowed for "tmpfs" type mounts'),
        ("type=tmpfs,target=/a,size=lots", "invalid value for size: lots"),
        ("type=tmpfs,target=/a,size=", "invalid value for size: "),
        ("type=cache,target=/a,sharing=shard", 'unsupported sharing value "shard" (did you mean shared?)'),
        ("type=cache,target=/a,mode=9", "invalid value 9 for mode"),
        ("type=cache,target=/a,uid=-1", "invalid value -1 for uid"),
        ("type=cache,target=/a,gid=4294967296", "invalid value 4294967296 for gid"),
        ("type=tmpfs,target=/a,sharing=locked", "invalid cache sharing set for tmpfs mount"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        ("type=secret,id=a,sharing=locked", "secret mount should not define sharing"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,source=b", "both source and id can't be set"),
        ("type=cache,target=/a,env=B", "unexpected key 'env' for mount type 'cache'"),
        ('target=a"b', 'failed to parse csv mounts: "target=a\\"b" has a quote out of place'),
    ],
)
def test_a_mount_that_is_none(value: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        mounts.parse(value)
    assert caught.value.message == message


def test_variables_are_put_into_all_values_but_the_stages() -> None:
    mount = mounts.parse("type=T,from=T,target=T", lambda word: "cache" if word == "T" else word)
    assert (mount.kind, mount.source_stage, mount.target) == ("cache", "T", "cache")


@pytest.mark.parametrize("value", ["type=$KIND,mode=$MODE", "type=cache,target=${HOME}/.cache,uid=$UID"])
def test_what_depends_on_variables_is_not_judged_early(value: str) -> None:
    mounts.check_early(value)


def test_a_stage_may_not_depend_on_variables() -> None:
    with pytest.raises(UsageError) as caught:
        mounts.check_early("from=$STAGE,target=/a")
    assert caught.value.hint == "FROM $STAGE AS name, and from=name"
