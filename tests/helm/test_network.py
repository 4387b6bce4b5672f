"""Who may speak to whom, in both modes."""

from __future__ import annotations

from typing import Any

from .conftest import ALONE, S3, Render, Rendered

Z2JH = {"hub": {"app": "jupyterhub", "component": "hub"}, "proxy": {"app": "jupyterhub", "component": "proxy"}}
USERS = {"app": "jupyterhub", "component": "singleuser-server"}


def policy(rendered: Rendered, name: str) -> dict[str, Any]:
    return dict(rendered.one("NetworkPolicy", f"elastic-spawner-{name}")["spec"])


def who(rule: dict[str, Any], side: str = "from") -> list[dict[str, str]]:
    return [peer["podSelector"]["matchLabels"] for peer in rule[side]]


def test_only_hub_and_proxy_reach_the_agents_and_only_on_the_notebooks_port(render: Render) -> None:
    spec = policy(render(), "agents")
    assert spec["podSelector"]["matchLabels"] == USERS
    assert spec["policyTypes"] == ["Ingress"]
    (rule,) = spec["ingress"]
    assert rule["ports"] == [{"port": "notebook-port"}]
    assert who(rule) == [Z2JH["hub"], Z2JH["proxy"]]


def test_only_the_proxy_reaches_the_resize_service(render: Render) -> None:
    spec = policy(render({"service": {"port": 9999}}), "service")
    assert spec["podSelector"]["matchLabels"] == Z2JH["hub"]
    (rule,) = spec["ingress"]
    assert (rule["ports"], who(rule)) == ([{"port": 9999}], [Z2JH["proxy"]])


def test_a_store_inside_the_cluster_is_opened_to_users(render: Render) -> None:
    """With the hub and names, without which the store could not be used; and nothing else is confined by default."""
    assert "elastic-spawner-store" not in render({"store": S3}).of("NetworkPolicy")
    peer = {"podSelector": {"matchLabels": {"app": "minio"}}, "namespaceSelector": {}}
    spec = policy(render({"store": S3, "networkPolicy": {"store": [peer], "storePorts": [9000]}}), "store")
    assert spec["podSelector"]["matchLabels"] == USERS
    assert spec["policyTypes"] == ["Egress"]
    store, hub, names = spec["egress"]
    assert store == {"ports": [{"port": 9000}], "to": [peer]}
    assert (hub["ports"], who(hub, "to")) == ([{"port": 8081}], [Z2JH["hub"]])
    assert {port["port"] for port in names["ports"]} == {53}


def test_a_hub_of_its_own_is_closed_but_for_what_it_needs(render: Render) -> None:
    rendered = render(ALONE)
    hub_labels = rendered.one("Deployment", "elastic-spawner-hub")["spec"]["template"]["metadata"]["labels"]
    proxy_labels = rendered.one("Deployment", "elastic-spawner-proxy")["spec"]["template"]["metadata"]["labels"]
    users = {"elastic-spawner/release": "elastic-spawner", "component": "singleuser-server"}
    service, hub = policy(rendered, "service")["ingress"]
    assert who(service) == [proxy_labels]
    assert (hub["ports"], who(hub)) == ([{"port": "http"}], [proxy_labels, users])
    people, api = policy(rendered, "proxy")["ingress"]
    assert people == {"ports": [{"port": "http"}]}
    assert (api["ports"], who(api)) == ([{"port": "api"}], [hub_labels])
    to_hub, names, world = policy(rendered, "users")["egress"]
    assert who(to_hub, "to") == [hub_labels]
    assert "169.254.169.254/32" in world["to"][0]["ipBlock"]["except"]


def test_policies_can_be_left_out(render: Render) -> None:
    assert not render({**ALONE, "networkPolicy": {"enabled": False}}).of("NetworkPolicy")
