{{- define "rollcall.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: the longest name that is made of it has to fit into a label. A Service's name has no dot. */}}
{{- define "rollcall.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "rollcall.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods are found; (list $ "component"). They never change over a release's life. */}}
{{- define "rollcall.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "rollcall.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 | quote }}
{{- end -}}

{{/* Labels of every object; (list $ "component"). */}}
{{- define "rollcall.labels" -}}
{{- $root := index . 0 -}}
{{ include "rollcall.selectorLabels" . }}
app.kubernetes.io/part-of: rollcall
app.kubernetes.io/managed-by: {{ $root.Release.Service | quote }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | quote }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Name of a component's ServiceAccount; (list $ "operator"). */}}
{{- define "rollcall.serviceAccountName" -}}
{{- $root := index . 0 -}}
{{- $account := (index $root.Values (index . 1)).serviceAccount -}}
{{- $account.name | default (printf "%s-%s" (include "rollcall.fullname" $root) (index . 1)) -}}
{{- end -}}

{{/* An image's reference; (list image "default tag"). */}}
{{- define "rollcall.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default (index . 1) $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What the restricted Pod Security Standard asks of a container, and a root file system that nobody writes to. */}}
{{- define "rollcall.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* A value as an environment variable writes it: lists by commas, whole numbers without an exponent. */}}
{{- define "rollcall.settingText" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* Every setting below a prefix, one `NAME: "value"` a line; (list "ROLLCALL_" map). */}}
{{- define "rollcall.settings" -}}
{{- $prefix := index . 0 -}}
{{- range $name, $value := index . 1 }}
{{- $variable := printf "%s%s" $prefix (regexReplaceAll "([A-Z])" $name "_${1}" | upper) }}
{{- if kindIs "map" $value }}
{{- include "rollcall.settings" (list (printf "%s__" $variable) $value) }}
{{- else if not (kindIs "invalid" $value) }}
{{ $variable }}: {{ include "rollcall.settingText" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "rollcall.postgresqlName" -}}
{{- $name := include "rollcall.fullname" . -}}
{{- if eq .Values.database.mode "cloudnativepg" -}}
{{- /* Its operator takes no name of more than 50 characters. */ -}}
{{- $name = $name | trunc 39 | trimSuffix "-" -}}
{{- end -}}
{{- printf "%s-postgresql" $name -}}
{{- end -}}

{{- define "rollcall.bundledSecretName" -}}
{{- .Values.database.bundled.existingSecret | default (include "rollcall.postgresqlName" .) -}}
{{- end -}}

{{- define "rollcall.servingSecretName" -}}
{{- .Values.aggregatedApi.certificate.existingSecret | default (printf "%s-api-serving" (include "rollcall.fullname" .)) -}}
{{- end -}}

{{/* An environment variable out of a Secret; (list "NAME" "secret" "key"). */}}
{{- define "rollcall.secretEnv" -}}
- name: {{ index . 0 | quote }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 | quote }}
      key: {{ index . 2 | quote }}
{{- end -}}

{{/* How the database is reached. Passwords and TLS go by libpq's own variables, so that no DSN is put together here. */}}
{{- define "rollcall.databaseEnv" -}}
{{- $database := .Values.database -}}
{{- if eq $database.mode "bundled" }}
- name: ROLLCALL_DATABASE__DSN
  value: postgresql://rollcall@{{ include "rollcall.postgresqlName" . }}.{{ .Release.Namespace }}.svc:5432/rollcall
{{ include "rollcall.secretEnv" (list "PGPASSWORD" (include "rollcall.bundledSecretName" .) $database.bundled.passwordKey) }}
{{- else if eq $database.mode "cloudnativepg" }}
{{ include "rollcall.secretEnv" (list "ROLLCALL_DATABASE__DSN" (printf "%s-app" (include "rollcall.postgresqlName" .)) "uri") }}
{{- else }}
{{- $external := $database.external }}
{{- if $external.dsnKey }}
{{ include "rollcall.secretEnv" (list "ROLLCALL_DATABASE__DSN" $external.existingSecret $external.dsnKey) }}
{{- else }}
- name: ROLLCALL_DATABASE__DSN
  value: {{ printf "postgresql://%s@%s:%.0f/%s" (urlquery $external.user) $external.host (float64 $external.port) (urlquery $external.name) | replace "+" "%20" | quote }}
{{ include "rollcall.secretEnv" (list "PGPASSWORD" $external.existingSecret $external.passwordKey) }}
{{- end }}
{{- with $external.sslMode }}
- name: PGSSLMODE
  value: {{ . | quote }}
{{- end }}
{{- if $external.caSecret }}
- name: PGSSLROOTCERT
  value: /etc/rollcall/database-ca/ca.crt
{{- end }}
{{- if $external.clientCertificateSecret }}
- name: PGSSLCERT
  value: /etc/rollcall/database-client/tls.crt
- name: PGSSLKEY
  value: /etc/rollcall/database-client/tls.key
{{- end }}
{{- end }}
{{- end -}}

{{- define "rollcall.databaseMounts" -}}
{{- if eq .Values.database.mode "external" }}
{{- if .Values.database.external.caSecret }}
- name: database-ca
  mountPath: /etc/rollcall/database-ca
  readOnly: true
{{- end }}
{{- if .Values.database.external.clientCertificateSecret }}
- name: database-client
  mountPath: /etc/rollcall/database-client
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "rollcall.databaseVolumes" -}}
{{- if eq .Values.database.mode "external" }}
{{- $external := .Values.database.external }}
{{- if $external.caSecret }}
- name: database-ca
  secret:
    secretName: {{ $external.caSecret | quote }}
    items:
      - key: {{ $external.caKey | quote }}
        path: ca.crt
{{- end }}
{{- if $external.clientCertificateSecret }}
- name: database-client
  secret:
    secretName: {{ $external.clientCertificateSecret | quote }}
    # libpq refuses a key that others may read.
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end -}}

{{/* The ServiceAccount's token where clients look for it, in the container that needs it and in no other. */}}
{{- define "rollcall.tokenVolume" -}}
- name: kubernetes-access
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end -}}

{{- define "rollcall.tokenMount" -}}
- name: kubernetes-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}

{{/* The schema is brought to this release before either process starts; whoever comes second waits, and finds it done. */}}
{{- define "rollcall.migrate" -}}
- name: migrate
  image: {{ include "rollcall.image" (list .Values.image .Chart.AppVersion) | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [rollcall]
  args: [migrate]
  envFrom:
    - configMapRef:
        name: {{ include "rollcall.fullname" . | quote }}
  env:
    {{- include "rollcall.databaseEnv" . | trim | nindent 4 }}
  securityContext:
    {{- include "rollcall.containerSecurityContext" . | nindent 4 }}
  resources:
    {{- toYaml .Values.migrations.resources | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- include "rollcall.databaseMounts" . | nindent 4 }}
{{- end -}}

{{/* Where a component's pods go, and what stands beside; (list $ "operator"). */}}
{{- define "rollcall.placement" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "rollcall.selectorLabels" (list $root $component) | nindent 8 }}
{{- end }}
{{- end -}}

{{/* A change of what the pods are given rolls them. */}}
{{- define "rollcall.checksums" -}}
checksum/config: {{ include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
{{- end -}}
