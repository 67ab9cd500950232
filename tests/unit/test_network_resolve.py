"""resolv.conf and hosts of a container."""

import pytest

from minirun import files
from minirun.network import resolve
from minirun.network.resolve import hosts_file, resolv_conf


def test_the_hosts_servers_search_and_options_are_kept():
    host = "# by hand\nsearch corp.example lab.example\nnameserver 192.0.2.53\noptions ndots:2 edns0\n"
    assert resolv_conf(host) == (
        "nameserver 192.0.2.53\nsearch corp.example lab.example\noptions ndots:2 edns0\n"
    )


@pytest.mark.parametrize("server", ["127.0.0.1", "127.0.0.53", "::1", "::1%lo"])
def test_a_server_on_the_hosts_loopback_is_left_out(server):
    assert resolv_conf(f"nameserver {server}\nnameserver 192.0.2.53\n") == "nameserver 192.0.2.53\n"


@pytest.mark.parametrize("host", ["", "nameserver 127.0.0.53\n", ";nameserver 192.0.2.1\n", "nameserver\n"])
def test_public_servers_stand_in_when_none_is_left(host):
    assert resolv_conf(host) == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_what_is_asked_for_replaces_the_hosts_lines():
    host = "nameserver 192.0.2.53\nsearch corp.example\noptions ndots:2\n"
    text = resolv_conf(host, dns=["127.0.0.1"], search=["a.example"], options=["rotate"])
    assert text == "nameserver 127.0.0.1\nsearch a.example\noptions rotate\n"


def test_a_dot_means_no_search():
    assert (
        resolv_conf("nameserver 192.0.2.53\nsearch corp.example\n", search=["."]) == "nameserver 192.0.2.53\n"
    )


def test_the_last_search_or_domain_counts():
    host = "domain old.example\nnameserver 192.0.2.53\nsearch new.example\n"
    assert "search new.example\n" in resolv_conf(host)
    assert "old" not in resolv_conf(host)


def test_behind_the_stub_of_systemd_resolved_are_its_servers(monkeypatch):
    texts = {
        "/etc/resolv.conf": "nameserver 127.0.0.53\n",
        resolve.RESOLVED_UPSTREAM: "nameserver 192.0.2.9\n",
    }
    monkeypatch.setattr(files, "text", texts.__getitem__)
    assert resolve.host_resolv_conf() == "nameserver 192.0.2.9\n"


def test_hosts_names_the_loopback_and_the_container():
    lines = hosts_file("web", ["172.17.0.2"]).splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[-1] == "172.17.0.2\tweb"


def test_a_full_name_is_known_by_its_first_part_too():
    assert hosts_file("web.example.org", ["172.17.0.2"]).endswith("172.17.0.2\tweb.example.org web\n")


def test_without_an_address_hosts_has_the_loopback_only():
    assert "web" not in hosts_file("web")


def test_added_hosts_come_before_the_container():
    assert hosts_file("web", ["172.17.0.2"], [("db", "192.0.2.7")]).endswith(
        "192.0.2.7\tdb\n172.17.0.2\tweb\n"
    )
