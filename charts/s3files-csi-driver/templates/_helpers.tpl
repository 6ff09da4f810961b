{{- define "s3files.driver" -}}s3files.csi.dev{{- end }}

{{- define "s3files.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "s3files.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "s3files.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else if contains .Release.Name (include "s3files.name" .) }}
{{- include "s3files.name" . }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "s3files.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that select a component's pods. Takes {root, component}. */}}
{{- define "s3files.selector" -}}
app.kubernetes.io/name: {{ include "s3files.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of every object. Takes {root, component}. */}}
{{- define "s3files.labels" -}}
{{ include "s3files.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "s3files.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{/* The service account of a component. Takes {root, component}. */}}
{{- define "s3files.serviceAccount" -}}
{{- $own := (index .root.Values .component).serviceAccount -}}
{{- if $own.create }}
{{- $own.name | default (printf "%s-%s" (include "s3files.fullname" .root) .component) }}
{{- else }}
{{- $own.name | default "default" }}
{{- end }}
{{- end }}

{{/* Of containers that need no privilege at all: the restricted standard. */}}
{{- define "s3files.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Of side-cars that write to folders of kubelet, which belong to root. */}}
{{- define "s3files.rootWithoutCapabilities" -}}
{{ include "s3files.restricted" . }}
runAsUser: 0
runAsNonRoot: false
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Leaves out nodes without a kernel of their own. */}}
{{- define "s3files.realNodes" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - { key: eks.amazonaws.com/compute-type, operator: NotIn, values: [fargate] }
          - { key: type, operator: NotIn, values: [virtual-kubelet] }
{{- end }}

{{/* Every connection with what devS3 adds, as a JSON object. */}}
{{- define "s3files.connections" -}}
{{- $connections := deepCopy .Values.connections }}
{{- if .Values.devS3.enabled }}
{{- if or $connections.default.endpoint (dig "credentials" "existingSecret" "" $connections.default) (dig "credentials" "accessKeyId" "" $connections.default) }}
{{- fail "devS3.enabled sets the connection 'default'; leave its endpoint and credentials empty" }}
{{- end }}
{{- $endpoint := printf "http://%s-dev-s3.%s.svc:9000" (include "s3files.fullname" .) .Release.Namespace }}
{{- $keys := dict "accessKeyId" .Values.devS3.accessKeyId "secretAccessKey" .Values.devS3.secretAccessKey }}
{{- $_ := set $connections "default" (dict "endpoint" $endpoint "region" "us-east-1" "credentials" $keys) }}
{{- end }}
{{- toJson $connections }}
{{- end }}

{{/* The configuration file. */}}
{{- define "s3files.config" -}}
{{- $connections := dict }}
{{- range $name, $given := include "s3files.connections" . | fromJson }}
{{- $one := dict }}
{{- range $key := list "endpoint" "region" }}
{{- with get $given $key }}{{- $_ := set $one $key . }}{{- end }}
{{- end }}
{{- if kindIs "bool" $given.forcePathStyle }}{{- $_ := set $one "forcePathStyle" $given.forcePathStyle }}{{- end }}
{{- if $given.caBundle }}{{- $_ := set $one "caBundle" (printf "/etc/s3files/ca-%s.crt" $name) }}{{- end }}
{{- $keys := $given.credentials | default dict }}
{{- if or $keys.existingSecret $keys.accessKeyId }}
{{- $_ := set $one "credentialsFile" (printf "/etc/s3files-credentials/%s/credentials.json" $name) }}
{{- end }}
{{- $_ := set $connections $name $one }}
{{- end }}
{{- $config := dict "format" 1 "connections" $connections "stateDirectory" .Values.stateDirectory "runDirectory" .Values.runDirectory }}
{{- with .Values.clusterName }}{{- $_ := set $config "clusterName" . }}{{- end }}
{{- toPrettyJson $config }}
{{- end }}

{{/* Volumes and mounts of the configuration, and of the credentials for those who use them. */}}
{{- define "s3files.configVolume" -}}
- name: config
  configMap:
    name: {{ include "s3files.fullname" . }}-config
{{- end }}

{{- define "s3files.configMount" -}}
- { name: config, mountPath: /etc/s3files, readOnly: true }
{{- end }}

{{/* A variable, so that commands which an operator runs in the container know it too. */}}
{{- define "s3files.configEnv" -}}
- { name: S3FILES_CONFIG, value: /etc/s3files/config.json }
{{- end }}

{{- define "s3files.credentialsVolumes" -}}
{{- $fullname := include "s3files.fullname" . }}
{{- range $name, $given := include "s3files.connections" . | fromJson }}
{{- $keys := $given.credentials | default dict }}
{{- if or $keys.existingSecret $keys.accessKeyId }}
- name: credentials-{{ $name }}
  secret:
    secretName: {{ $keys.existingSecret | default (printf "%s-connection-%s" $fullname $name) }}
    defaultMode: 0440
    items:
      - { key: {{ $keys.key | default "credentials.json" | quote }}, path: credentials.json }
{{- end }}
{{- end }}
{{- end }}

{{- define "s3files.credentialsMounts" -}}
{{- range $name, $given := include "s3files.connections" . | fromJson }}
{{- $keys := $given.credentials | default dict }}
{{- if or $keys.existingSecret $keys.accessKeyId }}
- { name: credentials-{{ $name }}, mountPath: /etc/s3files-credentials/{{ $name }}, readOnly: true }
{{- end }}
{{- end }}
{{- end }}

{{/* A pod is replaced when its configuration changes; credentials are read anew without that. */}}
{{- define "s3files.podAnnotations" -}}
checksum/config: {{ include "s3files.config" .root | sha256sum | trunc 16 }}
{{- with (index .root.Values .component).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
