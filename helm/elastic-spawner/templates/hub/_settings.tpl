{{- /* What files/jupyterhub_config.py reads: everything about the stand-alone hub. */ -}}
{{- define "elastic.hubSettings" -}}
{{- $user := .Values.hub.user -}}
{{- $image := $user.image -}}
{{- dict
  "baseUrl" .Values.hub.baseUrl
  "hubUrl" (printf "http://%s:8081" (include "elastic.hubName" .))
  "proxyApiUrl" (printf "http://%s-proxy-api:8001" (include "elastic.fullname" .))
  "release" .Release.Name
  "authenticator" .Values.hub.auth.class
  "allowAll" .Values.hub.auth.allowAll
  "adminUsers" .Values.hub.auth.adminUsers
  "testUser" (ternary .Values.test.user "" .Values.test.enabled)
  "user" (dict
    "image" (printf "%s:%s" $image.name $image.tag)
    "pullPolicy" $image.pullPolicy
    "pullSecrets" .Values.imagePullSecrets
    "command" $user.command
    "memory" $user.memory
    "cpu" $user.cpu
    "uid" $user.uid
    "startTimeout" $user.startTimeout
    "storage" $user.storage)
  "config" .Values.hub.config
  "extraConfig" .Values.hub.extraConfig
  | toPrettyJson -}}
{{- end -}}
