"""The resize service: REST API and pages at ``/services/elastic/``.

It runs as a service managed by JupyterHub (``hub.configure`` registers it), in a process of its own, and is thin: it
finds out who asks (OAuth in a browser, an API token elsewhere), decides by JupyterHub's scopes what they may do, and
passes on to the control server inside the hub, which does it.

    settings        what the environment says
    rights          who may see and resize what
    control_client  talking to the control server
    handlers        what all requests have in common: login, headers, errors
    api             the REST API, described in openapi.json
    reports         the agent's plans and restore reports, made fit to be shown
    wording         figures and states in words
    pages           the pages, and the parts of them that change
"""
