{{- /* What all our resources are called: the release, when its name says enough. */ -}}
{{- define "elastic.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "elastic.labels" -}}
{{ include "elastic.matchLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- define "elastic.matchLabels" -}}
app.kubernetes.io/name: elastic-spawner
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "elastic.image" -}}
{{- .name }}:{{ .tag | default .appVersion }}
{{- end -}}

{{- define "elastic.hubImage" -}}
{{- $image := .Values.hub.image -}}
{{- include "elastic.image" (dict "name" $image.name "tag" $image.tag "appVersion" .Chart.AppVersion) -}}
{{- end -}}

{{- define "elastic.testImage" -}}
{{- $image := .Values.test.image -}}
{{- if $image.name -}}
{{- include "elastic.image" (dict "name" $image.name "tag" $image.tag "appVersion" .Chart.AppVersion) -}}
{{- else -}}
{{- include "elastic.hubImage" . -}}
{{- end -}}
{{- end -}}

{{- define "elastic.testPullPolicy" -}}
{{- ternary .Values.test.image.pullPolicy .Values.hub.image.pullPolicy (ne .Values.test.image.name "") -}}
{{- end -}}

{{- define "elastic.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Names of what belongs to either hub: ours, or the one of zero-to-jupyterhub. */ -}}
{{- define "elastic.hubName" -}}
{{- if .Values.hub.enabled -}}{{ include "elastic.fullname" . }}-hub{{- else -}}{{ .Values.jupyterhub.hubService }}{{- end -}}
{{- end -}}

{{- define "elastic.hubServiceAccount" -}}
{{- if not .Values.hub.enabled -}}
{{- .Values.jupyterhub.hubServiceAccount -}}
{{- else if .Values.hub.serviceAccount.create -}}
{{- .Values.hub.serviceAccount.name | default (printf "%s-hub" (include "elastic.fullname" .)) -}}
{{- else -}}
{{- .Values.hub.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "elastic.hubLabels" -}}
{{- if .Values.hub.enabled -}}
{{ include "elastic.matchLabels" . }}
app.kubernetes.io/component: hub
{{- else -}}
{{ toYaml .Values.jupyterhub.hubLabels }}
{{- end -}}
{{- end -}}

{{- define "elastic.proxyLabels" -}}
{{- if .Values.hub.enabled -}}
{{ include "elastic.matchLabels" . }}
app.kubernetes.io/component: proxy
{{- else -}}
{{ toYaml .Values.jupyterhub.proxyLabels }}
{{- end -}}
{{- end -}}

{{- define "elastic.userLabels" -}}
{{- if .Values.hub.enabled -}}
elastic-spawner/release: {{ .Release.Name }}
component: singleuser-server
{{- else -}}
{{ toYaml .Values.jupyterhub.userLabels }}
{{- end -}}
{{- end -}}

{{- define "elastic.secretName" -}}
{{- .Values.secret.existingSecret | default (include "elastic.fullname" .) -}}
{{- end -}}

{{- define "elastic.claimName" -}}
{{- .Values.store.pvc.existingClaim | default (printf "%s-checkpoints" (include "elastic.fullname" .)) -}}
{{- end -}}

{{- /* 64 hexadecimal digits, 256 random bits as far as helm can make them. */ -}}
{{- define "elastic.randomHex" -}}
{{- printf "%s%s" (randAlphaNum 64) (randAlphaNum 64) | sha256sum -}}
{{- end -}}

{{- /* A key of our secret: as the cluster has it, else as .given says, else a new one. */ -}}
{{- define "elastic.kept" -}}
{{- $old := (lookup "v1" "Secret" .root.Release.Namespace (include "elastic.fullname" .root)).data | default dict -}}
{{- if .given -}}
{{- .given | b64enc -}}
{{- else if hasKey $old .key -}}
{{- index $old .key -}}
{{- else -}}
{{- include "elastic.randomHex" . | b64enc -}}
{{- end -}}
{{- end -}}

{{- /* Pod Security "restricted", and no way to write but into volumes. */ -}}
{{- define "elastic.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "elastic.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* Where checkpoints are, as elastic_spawner takes it. */ -}}
{{- define "elastic.storeUrl" -}}
{{- $store := .Values.store -}}
{{- if eq $store.type "s3" -}}
{{- $query := list -}}
{{- with $store.s3.endpoint }}{{ $query = append $query (printf "endpoint=%s" (urlquery .)) }}{{ end -}}
{{- with $store.s3.region }}{{ $query = append $query (printf "region=%s" (urlquery .)) }}{{ end -}}
{{- if $store.s3.pathStyle }}{{ $query = append $query "path_style=1" }}{{ end -}}
{{- with $store.s3.serverSideEncryption }}{{ $query = append $query (printf "sse=%s" (urlquery .)) }}{{ end -}}
{{- with $store.s3.kmsKeyId }}{{ $query = append $query (printf "sse_kms_key_id=%s" (urlquery .)) }}{{ end -}}
s3://{{ $store.s3.bucket }}{{ with $store.s3.prefix }}/{{ trimAll "/" . }}{{ end }}{{ if $query }}?{{ join "&" $query }}{{ end }}
{{- else if eq $store.type "pvc" -}}
file://{{ $store.pvc.mountPath }}
{{- else if eq $store.type "home" -}}
file://{{ $store.home.path }}
{{- else -}}
file:///tmp/elastic-spawner-checkpoints
{{- end -}}
{{- end -}}

{{- /* The file that elastic_spawner.hub.chart reads. */ -}}
{{- define "elastic.settings" -}}
{{- $servers := .Values.servers -}}
{{- $image := $servers.agentImage -}}
{{- $traits := dict
  "agent_image" (include "elastic.image" (dict "name" $image.name "tag" $image.tag "appVersion" .Chart.AppVersion))
  "agent_image_pull_policy" $image.pullPolicy
  "agent_delivery" $servers.agentDelivery
  "eviction_grace" $servers.evictionGrace
  "return_after_eviction" $servers.returnAfterEviction
  "resize_in_place" $servers.resizeInPlace
  "checkpoint_deadline" $servers.checkpointDeadline
  "save_interval" $servers.saveInterval
  "room_timeout" $servers.roomTimeout
  "concurrent_saves" $servers.concurrentSaves
  "concurrent_starts" $servers.concurrentStarts
  "encrypt_checkpoints" $servers.encryptCheckpoints
  "min_mem" $servers.minMemory
  "min_cpus" $servers.minCpus
-}}
{{- with $servers.maxMemory }}{{ $_ := set $traits "max_mem" . }}{{ end -}}
{{- with $servers.maxCpus }}{{ $_ := set $traits "max_cpus" . }}{{ end -}}
{{- if and .Values.rbac.create (not .Values.rbac.watchNodes) -}}
{{- $_ := set $traits "evacuation_taints" list -}}
{{- else if not (kindIs "invalid" $servers.evacuationTaints) -}}
{{- $_ := set $traits "evacuation_taints" $servers.evacuationTaints -}}
{{- end -}}
{{- if eq .Values.store.type "pvc" -}}
{{- $_ := set $traits "store_volume" (dict "persistentVolumeClaim" (dict "claimName" (include "elastic.claimName" .))) -}}
{{- end -}}
{{- $_ := merge $traits $servers.traits -}}
{{- $environment := dict -}}
{{- with .Values.resizers.self.maxMemory }}{{ $_ := set $environment "ELASTIC_SPAWNER_SELF_MAX_MEMORY" . }}{{ end -}}
{{- with .Values.resizers.self.maxCpus }}{{ $_ := set $environment "ELASTIC_SPAWNER_SELF_MAX_CPUS" (toString .) }}{{ end -}}
{{- dict
  "storeUrl" (include "elastic.storeUrl" .)
  "serviceUrl" (printf "http://%s:%d" (include "elastic.hubName" .) (int .Values.service.port))
  "controlPort" (int .Values.service.controlPort)
  "resizers" .Values.resizers.users
  "resizerGroups" .Values.resizers.groups
  "serviceEnvironment" $environment
  "traits" $traits
  | toPrettyJson -}}
{{- end -}}

{{- /* Keys of the bucket, where they are not found by the pod's service account. */ -}}
{{- define "elastic.storeEnv" -}}
{{- $s3 := .Values.store.s3 -}}
{{- if and (eq .Values.store.type "s3") $s3.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ $s3.existingSecret }}, key: {{ $s3.accessKeyIdKey }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $s3.existingSecret }}, key: {{ $s3.secretAccessKeyKey }}}}
{{- end }}
{{- end -}}
