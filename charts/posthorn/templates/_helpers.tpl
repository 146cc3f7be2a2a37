{{- /* Labels of an object: (list . "dispatcher") */ -}}
{{- define "posthorn.labels" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.extraLabels }}{{ toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "posthorn.selector" . }}
{{- end }}

{{- /* What selects a component's pods: (list . "dispatcher") */ -}}
{{- define "posthorn.selector" -}}
app.kubernetes.io/name: posthorn
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- /* A component's image: (list . "dispatcher") */ -}}
{{- define "posthorn.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end -}}
posthorn-{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{- /* The platform's configuration file. */ -}}
{{- define "posthorn.config" -}}
{{ toYaml .Values.config }}
{{- end }}

{{- /* The Secret with the certificate of ingest. */ -}}
{{- define "posthorn.tlsSecret" -}}
{{ .Values.ingest.tls.secretName | default "posthorn-dispatcher-tls" }}
{{- end }}

{{- /* The names of the certificate that the operator issues. */ -}}
{{- define "posthorn.ingestNames" -}}
{{- $ns := .Release.Namespace -}}
{{- $names := list (printf "posthorn.%s.svc" $ns) (printf "posthorn.%s.svc.cluster.local" $ns) (printf "posthorn.%s" $ns) "posthorn" -}}
{{- join "," (concat $names .Values.ingest.tls.extraNames) -}}
{{- end }}

{{- /* Where pods run: the values of a component. */ -}}
{{- define "posthorn.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* What all containers are denied. */ -}}
{{- define "posthorn.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
