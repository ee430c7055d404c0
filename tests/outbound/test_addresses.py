"""Which addresses may be reached."""

from ipaddress import ip_address, ip_network

import pytest

from outbound.addresses import Addresses, is_own, is_public
from outbound.errors import AddressRefused

PUBLIC = ["93.184.215.14", "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::1"]
REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # metadata of a cloud
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",  # metadata of most clouds
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:5db8:d70e::1",
    "2606:4700::5efe:7f00:1",  # ISATAP
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata of a cloud
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_what_everybody_can_reach_is_reached(text):
    assert Addresses().check(ip_address(text)) == ip_address(text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_lies_inside_is_refused(text):
    with pytest.raises(AddressRefused):
        Addresses().check(ip_address(text))


@pytest.mark.parametrize("text", ["::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_a_public_address_in_the_form_of_another_is_what_it_stands_for(text):
    assert str(Addresses().check(ip_address(text))) == "93.184.215.14"


@pytest.mark.parametrize("text", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_what_the_operator_allows_is_reached_in_either_form(text):
    addresses = Addresses([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])
    assert str(addresses.check(ip_address(text))) == "10.1.2.3"
    with pytest.raises(AddressRefused):
        addresses.check(ip_address("10.2.0.1"))


def test_an_address_of_this_machine_s_is_known_as_such():
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("192.0.2.1"))


def test_a_public_address_that_is_this_machine_s_is_refused(monkeypatch):
    mine = ip_address("93.184.215.14")
    monkeypatch.setattr("outbound.addresses.is_own", lambda address: address == mine)
    assert is_public(mine)
    with pytest.raises(AddressRefused):
        Addresses().check(mine)
