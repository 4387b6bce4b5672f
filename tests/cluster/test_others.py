"""What a user can do to another one from within their own pod, with all that is in it: nothing."""

from __future__ import annotations

import json

import pytest

from .hub import ClusterHub, s3_endpoint

pytestmark = pytest.mark.cluster

TRY = """
import json, urllib.error, urllib.request
from elastic_spawner.checkpoint.signing import derive
environment = dict(pair.split("=", 1) for pair in open("/proc/1/environ").read().split("\\0") if "=" in pair)
address, _, token = environment["ELASTIC_SPAWNER_STORE_URL"].removeprefix("signed+").partition("?token=")
agent = derive(bytes.fromhex(environment["ELASTIC_SPAWNER_SECRET"]), "agent").hex()

def ask(url, method="GET", token="", body=None):
    request = urllib.request.Request(url, body, method=method)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""

def sign(address, token, op, key):
    body = json.dumps({"op": op, "key": key, "after": ""}).encode()
    return ask(address, "POST", token, body)

def sent(signed, bend=lambda url: url):
    signed = json.loads(signed)
    request = urllib.request.Request(bend(signed["url"]), method=signed["method"], headers=signed["headers"])
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code

theirs = address.replace("/MINE/", "/THEIRS/")
assert theirs != address
status, own = sign(address, token, "list", "manifests/")
found = {"own": [status, sent(own)]}
found["another prefix"] = [sent(own, lambda url: url.replace("MINE", "THEIRS"))]
found["another server"] = [sign(theirs, token, op, "manifests/server/00000001.json")[0]
                           for op in ("get", "put", "create", "list", "delete", "stat", "touch")]
found["no token"] = [sign(address, "", "list", "")[0], sign(theirs, "", "list", "")[0]]
found["out of the prefix"] = [sign(address, token, "get", "../../THEIRS/_/manifests/server/00000001.json")[0]]
found["the store itself"] = [ask("ENDPOINT/checkpoints")[0], ask("ENDPOINT/")[0]]
agents = [(path, with_) for path in ("status", "plan", "restore", "evict?deadline_s=1")
          for with_ in (agent, environment["JUPYTERHUB_API_TOKEN"], token, "")]
found["another agent"] = [ask("http://ADDRESS:8888/user/THEIRS/api/elastic/" + path, token=with_)[0]
                          for path, with_ in agents]
found["own agent without its token"] = [ask("http://127.0.0.1:8888/user/MINE/api/elastic/status", token=with_)[0]
                                        for with_ in ("", environment["JUPYTERHUB_API_TOKEN"], token)]
print(json.dumps(found))
"""


def test_a_user_with_all_that_is_in_their_pod(hub: ClusterHub) -> None:
    notes = {}
    for user in ("mallory", "victor"):
        hub.start_server(user, timeout_s=180)
        browser = hub.login(user)
        browser.open_server()
        notes[user] = browser.open_notebook()
        assert notes[user].run("x = 1", 120).status == "ok"
    address = hub.pod("victor")["status"]["podIP"]
    code = TRY.replace("MINE", "mallory").replace("THEIRS", "victor").replace("ADDRESS", address)
    reply = notes["mallory"].run(code.replace("ENDPOINT", s3_endpoint()), 120)
    assert reply.status == "ok", reply
    found = json.loads(reply.stdout)
    assert found.pop("own") == [200, 200]
    assert found.pop("out of the prefix") == [400]
    assert {status for statuses in found.values() for status in statuses} == {403}, found
    assert notes["victor"].run("print(x)").stdout == "1\n"
