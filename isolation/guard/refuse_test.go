package guard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// Users of the tests, as NAMESPACE/NAME of accounts.
const (
	byPlatform = "flux-system/kustomize-controller"
	byTenant   = "billing-flux/billing-prod"
	byHelm     = "flux-system/helm-controller"
)

// kinds are what the short form of a test's object stands for.
var kinds = map[string][2]string{
	"Kustomization": {"kustomize.toolkit.fluxcd.io/v1", "kustomizations"}, "HelmRelease": {"helm.toolkit.fluxcd.io/v2", "helmreleases"},
	"GitRepository": {"source.toolkit.fluxcd.io/v1", "gitrepositories"}, "OCIRepository": {"source.toolkit.fluxcd.io/v1", "ocirepositories"},
	"HelmRepository": {"source.toolkit.fluxcd.io/v1", "helmrepositories"}, "Bucket": {"source.toolkit.fluxcd.io/v1", "buckets"},
	"ExternalArtifact": {"source.toolkit.fluxcd.io/v1", "externalartifacts"}, "ResourceSet": {"fluxcd.controlplane.io/v1", "resourcesets"},
	"Terraform": {"infra.contrib.fluxcd.io/v1alpha2", "terraforms"}, "Alert": {"notification.toolkit.fluxcd.io/v1beta3", "alerts"},
	"Receiver": {"notification.toolkit.fluxcd.io/v1", "receivers"}, "Provider": {"notification.toolkit.fluxcd.io/v1beta3", "providers"},
	"ImageRepository": {"image.toolkit.fluxcd.io/v1", "imagerepositories"}, "ImagePolicy": {"image.toolkit.fluxcd.io/v1", "imagepolicies"},
	"ImageUpdateAutomation": {"image.toolkit.fluxcd.io/v1", "imageupdateautomations"}, "ResourceQuota": {"v1", "resourcequotas"},
	"Namespace": {"v1", "namespaces"}, "ServiceAccount": {"v1", "serviceaccounts"}, "Secret": {"v1", "secrets"}, "Service": {"v1", "services"},
	"NetworkPolicy": {"networking.k8s.io/v1", "networkpolicies"}, "Ingress": {"networking.k8s.io/v1", "ingresses"},
	"HTTPRoute": {"gateway.networking.k8s.io/v1", "httproutes"}, "Gateway": {"gateway.networking.k8s.io/v1", "gateways"},
	"RoleBinding": {"rbac.authorization.k8s.io/v1", "rolebindings"}, "ClusterRoleBinding": {"rbac.authorization.k8s.io/v1", "clusterrolebindings"},
	"ServiceMonitor": {"monitoring.coreos.com/v1", "servicemonitors"}, "Probe": {"monitoring.coreos.com/v1", "probes"}, "IngressRoute": {"traefik.io/v1alpha1", "ingressroutes"},
	"ReferenceGrant": {"gateway.networking.k8s.io/v1beta1", "referencegrants"}, "PersistentVolumeClaim": {"v1", "persistentvolumeclaims"},
	"ClusterRole": {"rbac.authorization.k8s.io/v1", "clusterroles"}, "Deployment": {"apps/v1", "deployments"}, "CronJob": {"batch/v1", "cronjobs"},
}

// of writes an object: "KIND NAMESPACE", further metadata, and the rest, in flow style.
func of(what, meta, rest string) (text, resource string) {
	kind, namespace, _ := strings.Cut(what, " ")
	if namespace != "" {
		namespace = ", namespace: " + namespace
	}
	if meta != "" {
		meta = ", " + meta
	}
	if !strings.Contains(meta, " name: ") {
		meta += ", name: x"
	}
	return fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {%s}, %s}", kinds[kind][0], kind, strings.TrimPrefix(namespace+meta, ", "), rest), kinds[kind][1]
}

// made are writes of new objects: what the object is, its spec, and whether it is refused, by the end of the message with the rules.
var creations = []struct{ user, what, meta, rest, want string }{
	{byPlatform, "Kustomization billing-flux", "", "spec: {serviceAccountName: billing-prod, targetNamespace: billing-prod, sourceRef: {kind: GitRepository, name: billing}}", ""},
	{byTenant, "Kustomization billing-jobs", "", "spec: {serviceAccountName: flux, dependsOn: [{name: a}, {name: b, namespace: billing-jobs}], sourceRef: {kind: GitRepository, name: x}}", ""},
	{byPlatform, "Kustomization billing-flux", "", "spec: {sourceRef: {kind: GitRepository, name: billing}}", "IMP-001"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: backup-operator, sourceRef: {kind: GitRepository, name: x}}", "NST-002"},
	{byTenant, "Kustomization auth-prod", "", "spec: {serviceAccountName: flux, sourceRef: {kind: GitRepository, name: x}}", "NST-001"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, kubeConfig: {secretRef: {name: x}}, sourceRef: {kind: GitRepository, name: x}}", "RMT-001"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, dependsOn: [{name: a, namespace: auth-prod}], sourceRef: {kind: GitRepository, name: x}}", "REF-002"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, dependsOn: [{name: a, readyExpr: 'true'}], sourceRef: {kind: GitRepository, name: x}}", "REF-003"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, targetNamespace: auth-prod, sourceRef: {kind: GitRepository, name: x}}", "NSB-003"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, sourceRef: {kind: GitRepository, name: x, namespace: auth-flux}}", "REF-001"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, decryption: {provider: sops}, sourceRef: {kind: GitRepository, name: x}}", "SEC-002"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, decryption: {provider: sops, secretRef: {name: key}}, sourceRef: {kind: GitRepository, name: x}}", ""},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, healthChecks: [{kind: Pod, name: x, namespace: auth-prod}], sourceRef: {kind: GitRepository, name: x}}", "REF-004"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, commonMetadata: {annotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}}, sourceRef: {kind: GitRepository, name: x}}", "OWN-002"},
	{byTenant, "Kustomization billing-prod", "", "spec: {serviceAccountName: flux, commonMetadata: {labels: {a: b}}, postBuild: {substituteFrom: [{kind: Secret, name: own}]}, sourceRef: {kind: GitRepository, name: x}}", ""},
	{byPlatform, "Kustomization billing-flux", "", "spec: {serviceAccountName: billing-prod, postBuild: {substituteFrom: [{kind: Secret, name: own}]}, sourceRef: {kind: GitRepository, name: x}}", "VAR-002"},
	{byPlatform, "Kustomization flux-system", "", "spec: {sourceRef: {kind: GitRepository, name: flux-system}}", ""},
	{byPlatform, "Kustomization flux-system", "", "spec: {serviceAccountName: kustomize-controller, sourceRef: {kind: OCIRepository, name: platform}}", ""},
	{byPlatform, "Kustomization flux-system", "", "spec: {sourceRef: {kind: GitRepository, name: billing}}", "IMP-001"},
	{byPlatform, "Kustomization flux-system", "", "spec: {serviceAccountName: a, sourceRef: {kind: GitRepository, name: billing, namespace: billing-flux}}", "IMP-006"},
	{byPlatform, "HelmRelease flux-system", "", "spec: {chartRef: {kind: OCIRepository, name: x, namespace: billing-prod}}", "IMP-006"},
	{byPlatform, "HelmRelease flux-system", "", "spec: {chart: {spec: {chart: x, sourceRef: {kind: HelmRepository, name: x}}}}", ""},
	{byTenant, "HelmRelease billing-prod", "", "spec: {serviceAccountName: flux, storageNamespace: billing-jobs, chart: {spec: {chart: x, sourceRef: {kind: HelmRepository, name: x}}}, install: {crds: Skip}}", ""},
	{byTenant, "HelmRelease billing-prod", "", "spec: {serviceAccountName: flux, targetNamespace: kube-system, chartRef: {kind: OCIRepository, name: x}}", "HLM-001"},
	{byTenant, "HelmRelease billing-prod", "", "spec: {serviceAccountName: flux, storageNamespace: shared, chartRef: {kind: OCIRepository, name: x}}", "HLM-002"},
	{byTenant, "HelmRelease billing-prod", "", "spec: {serviceAccountName: flux, chartRef: {kind: OCIRepository, name: x, namespace: flux-system}}", "REF-001"},
	{byTenant, "HelmRelease billing-prod", "", "spec: {serviceAccountName: flux, chart: {spec: {chart: x, sourceRef: {kind: HelmRepository, name: x, namespace: flux-system}}}}", "REF-001"},
	{byTenant, "HelmRelease billing-prod", "", "spec: {serviceAccountName: flux, install: {createNamespace: true}, chartRef: {kind: OCIRepository, name: x}}", "HLM-006"},
	{byTenant, "HelmRelease billing-prod", "", "spec: {serviceAccountName: flux, upgrade: {crds: CreateReplace}, chartRef: {kind: OCIRepository, name: x}}", "HLM-004"},
	{byTenant, "ResourceSet billing-prod", "", "spec: {resources: []}", "OPR-001"},
	{byTenant, "Terraform auth-prod", "", "spec: {}", "DEL-001"},
	{byTenant, "ExternalArtifact billing-prod", "", "spec: {}", "CTL-007"},
	{byPlatform, "ResourceSet flux-system", "", "spec: {resources: []}", ""},

	{byPlatform, "GitRepository billing-flux", "", "spec: {url: 'https://git.example.com/acme/billing'}", ""},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing.git', ref: {name: refs/heads/main}}", ""},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing-charts/'}", ""},
	{byTenant, "OCIRepository billing-prod", "", "spec: {url: 'oci://ghcr.io/acme/billing/app'}", ""},
	{byTenant, "HelmRepository billing-prod", "", "spec: {type: oci, url: 'oci://ghcr.io/acme/billing'}", ""},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing-evil'}", "NST-004"},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/fleet'}", "NST-004"},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing/../fleet'}", "NST-004"},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com@evil.example.com/acme/billing'}", "NST-004"},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing/%2e%2e/fleet'}", "NST-004"},
	{byTenant, "GitRepository auth-prod", "", "spec: {url: 'https://git.example.com/acme/billing'}", "NST-004"},
	{byTenant, "OCIRepository billing-prod", "", "spec: {url: 'oci://ghcr.io/acme/billing/app', insecure: true}", "SRC-005"},
	{byTenant, "HelmRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing-charts', passCredentials: true}", "SRC-005"},
	{byTenant, "OCIRepository billing-prod", "", "spec: {url: 'oci://ghcr.io/acme/billing/app', provider: aws}", "SEC-007"},
	{byTenant, "OCIRepository billing-prod", "", "spec: {url: 'oci://ghcr.io/acme/billing/app', provider: aws, serviceAccountName: app}", ""},
	{byPlatform, "GitRepository billing-flux", "", "spec: {url: 'https://git.example.com/acme/billing', provider: azure}", ""},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing', recurseSubmodules: true}", "SRC-007"},
	{byTenant, "GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/billing', ref: {name: refs/pull/4/head}}", "SRC-002"},
	{byPlatform, "GitRepository flux-system", "", "spec: {url: 'https://git.example.com/acme/Billing.git'}", "IMP-006"},
	{byPlatform, "GitRepository flux-system", "", "spec: {url: 'https://git.example.com/acme/fleet'}", ""},
	{byTenant, "Bucket billing-prod", "", "spec: {endpoint: s3.example.com, bucketName: billing}", ""},
	{byTenant, "Bucket billing-prod", "", "spec: {endpoint: s3.example.com, bucketName: platform}", "NST-004"},
	{byTenant, "Bucket billing-prod", "", "spec: {endpoint: s3.example.com, bucketName: billing, insecure: true}", "SRC-005"},
	{byTenant, "Bucket billing-prod", "", "spec: {endpoint: s3.example.com, bucketName: billing, provider: aws}", "SEC-007"},

	{byTenant, "ImageRepository billing-prod", "", "spec: {image: ghcr.io/acme/billing/app}", ""},
	{byTenant, "ImageRepository billing-prod", "", "spec: {image: ghcr.io/acme/auth}", "SRC-006"},
	{byTenant, "ImageRepository billing-prod", "", "spec: {image: ghcr.io/acme/billing/app, accessFrom: {namespaceSelectors: [{matchLabels: {}}]}}", "REF-007"},
	{byTenant, "ImagePolicy billing-prod", "", "spec: {imageRepositoryRef: {name: x, namespace: flux-system}}", "REF-001"},
	{byTenant, "ImageUpdateAutomation billing-prod", "", "spec: {sourceRef: {kind: GitRepository, name: x, namespace: flux-system}}", "IMG-001"},
	{byTenant, "ImageUpdateAutomation billing-prod", "", "spec: {sourceRef: {kind: GitRepository, name: x}, git: {push: {refspec: '*:*'}}}", "IMG-003"},
	{byTenant, "ImageUpdateAutomation billing-prod", "", "spec: {sourceRef: {kind: GitRepository, name: x}, git: {push: {branch: images}}}", ""},

	{byTenant, "Alert billing-prod", "", "spec: {eventSources: [{kind: Kustomization, name: '*'}]}", ""},
	{byTenant, "Alert billing-prod", "", "spec: {eventSources: [{kind: Kustomization, name: '*', namespace: auth-flux}]}", "REF-005"},
	{byTenant, "Receiver billing-prod", "", "spec: {resources: [{kind: GitRepository, name: x, namespace: flux-system}]}", "REF-006"},
	{byTenant, "Receiver billing-prod", "", "spec: {resources: [{kind: GitRepository, name: x}]}", ""},
	{byTenant, "Provider billing-prod", "", "spec: {type: slack, address: 'https://slack.com/api/chat.postMessage'}", ""},
	{byTenant, "Provider billing-prod", "", "spec: {type: googlepubsub, address: my-project}", ""},
	{byTenant, "Provider billing-prod", "", "spec: {type: generic}", ""},
	{byTenant, "Provider billing-prod", "", "spec: {type: generic, address: 'http://169.254.169.254/'}", "NTF-001"},
	{byTenant, "Provider billing-prod", "", "spec: {type: generic, address: 'http://[fd00::1]:80/'}", "NTF-001"},
	{byTenant, "Provider billing-prod", "", "spec: {type: generic, address: 'http://dashboard.kube-system.svc/'}", "NTF-001"},
	{byTenant, "Provider billing-prod", "", "spec: {type: generic, address: 'http://dashboard.kube-system.svc.cluster.local./'}", "NTF-001"},
	{byTenant, "Provider billing-prod", "", "spec: {type: generic, address: 'http://2852039166/'}", "NTF-001"},
	{byTenant, "Provider billing-prod", "", "spec: {type: generic, address: 'https://hooks.example.com', proxy: 'http://localhost:1'}", "NTF-001"},

	{byTenant, "ResourceQuota billing-prod", "labels: {app.kubernetes.io/managed-by: bulkhead}", "spec: {hard: {pods: '9'}}", "RBC-012"},
	{byPlatform, "ResourceQuota billing-prod", "labels: {app.kubernetes.io/managed-by: bulkhead}", "spec: {hard: {pods: '9'}}", ""},
	{byTenant, "ResourceQuota billing-prod", "", "spec: {hard: {pods: '9'}}", ""},
	{byTenant, "Namespace", "name: billing-prod", "spec: {}", "NSB-006"},
	{byPlatform, "Namespace", "name: billing-prod", "spec: {}", ""},
	{byTenant, "Namespace", "name: other", "spec: {}", ""},
	{byTenant, "RoleBinding billing-prod", "", "subjects: [{kind: ServiceAccount, name: app, namespace: billing-jobs}]", ""},
	{byTenant, "RoleBinding billing-prod", "", "subjects: [{kind: ServiceAccount, name: app, namespace: auth-prod}]", "RBC-006"},
	{byTenant, "RoleBinding billing-prod", "", "subjects: [{kind: Group, name: 'system:authenticated'}]", "RBC-004"},
	{byPlatform, "RoleBinding billing-prod", "", "subjects: [{kind: Group, name: devs}]", ""},
	{byHelm, "ClusterRoleBinding", "", "subjects: [{kind: ServiceAccount, name: default, namespace: billing-prod}]", "RBC-003"},
	{byHelm, "ClusterRoleBinding", "", "subjects: [{kind: Group, name: 'system:serviceaccounts:auth-prod'}]", "RBC-003"},
	{byHelm, "ClusterRoleBinding", "", "subjects: [{kind: User, name: 'system:serviceaccount:auth-prod:x'}]", "RBC-003"},
	{byHelm, "ClusterRoleBinding", "", "subjects: [{kind: ServiceAccount, name: default, namespace: ingress}, {kind: User, name: jo}]", ""},

	{byTenant, "NetworkPolicy billing-prod", "", "spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]}], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}]}]}", ""},
	{byTenant, "NetworkPolicy billing-prod", "", "spec: {podSelector: {}, ingress: [{}]}", "NET-002"},
	{byTenant, "NetworkPolicy billing-prod", "", "spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}", "NET-002"},
	{byTenant, "NetworkPolicy billing-prod", "", "spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}", "NET-002"},
	{byPlatform, "NetworkPolicy billing-prod", "", "spec: {podSelector: {}, ingress: [{}]}", ""},

	{byTenant, "Ingress billing-prod", "", "spec: {rules: [{host: api.billing.example.com}, {host: Billing.example.com}], tls: [{hosts: ['*.billing.example.com']}]}", ""},
	{byTenant, "Ingress billing-prod", "", "spec: {rules: [{host: login.auth.example.com}]}", "NET-004"},
	{byTenant, "Ingress billing-prod", "", "spec: {rules: [{host: evilbilling.example.com}]}", "NET-004"},
	{byTenant, "Ingress billing-prod", "", "spec: {rules: [{http: {}}]}", "NET-004"},
	{byTenant, "Ingress billing-prod", "", "spec: {defaultBackend: {service: {name: x}}}", "NET-004"},
	{byTenant, "Ingress auth-prod", "", "spec: {rules: [{host: any.example.com}]}", ""},
	{byTenant, "HTTPRoute billing-prod", "", "spec: {hostnames: [a.billing.example.com]}", ""},
	{byTenant, "HTTPRoute billing-prod", "", "spec: {}", "NET-004"},
	{byTenant, "HTTPRoute billing-prod", "", "spec: {hostnames: [auth.example.com]}", "NET-004"},
	{byTenant, "Gateway billing-prod", "", "spec: {listeners: [{name: a, hostname: a.billing.example.com}, {name: b}]}", "NET-004"},

	{byTenant, "Ingress billing-prod", "annotations: {nginx.ingress.kubernetes.io/configuration-snippet: 'return 200;'}", "spec: {rules: [{host: billing.example.com}]}", "NET-005"},
	{byTenant, "Ingress billing-prod", "annotations: {nginx.ingress.kubernetes.io/auth-secret: auth-prod/users}", "spec: {rules: [{host: billing.example.com}]}", "NET-005"},
	{byTenant, "Ingress billing-prod", "annotations: {nginx.ingress.kubernetes.io/auth-secret: billing-jobs/users, cert-manager.io/issuer: billing}", "spec: {rules: [{host: billing.example.com}]}", ""},
	{byTenant, "Ingress billing-prod", "annotations: {nginx.ingress.kubernetes.io/auth-url: 'https://collector.example.net/check'}", "spec: {rules: [{host: billing.example.com}]}", "NET-005"},
	{byTenant, "Ingress billing-prod", "annotations: {nginx.ingress.kubernetes.io/auth-url: 'https://login.billing.example.com/check'}", "spec: {rules: [{host: billing.example.com}]}", ""},
	{byTenant, "Ingress billing-prod", "annotations: {nginx.ingress.kubernetes.io/auth-url: 'http://oauth.billing-jobs.svc.cluster.local/check'}", "spec: {rules: [{host: billing.example.com}]}", ""},
	{byTenant, "NetworkPolicy billing-prod", "", "spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [test]}]}}]}]}", "NET-002"},
	{byTenant, "ReferenceGrant billing-prod", "", "spec: {from: [{kind: HTTPRoute, namespace: auth-prod}], to: [{kind: Service}]}", "NET-007"},
	{byTenant, "ReferenceGrant billing-prod", "", "spec: {from: [{kind: HTTPRoute, namespace: auth-prod}, {kind: HTTPRoute, namespace: billing-jobs}], to: [{kind: Service, name: api}]}", ""},
	{byTenant, "Gateway billing-prod", "", "spec: {listeners: [{name: a, hostname: a.billing.example.com, allowedRoutes: {namespaces: {from: All}}}]}", "NET-007"},
	{byTenant, "HTTPRoute billing-prod", "", "spec: {hostnames: [a.billing.example.com], rules: [{backendRefs: [{name: x, namespace: auth-prod}]}]}", "NET-007"},
	{byTenant, "HTTPRoute billing-prod", "", "spec: {hostnames: [a.billing.example.com], rules: [{backendRefs: [{name: x}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: x, namespace: auth-prod}}}]}]}", "NET-007"},
	{byTenant, "PersistentVolumeClaim billing-prod", "", "spec: {dataSourceRef: {kind: VolumeSnapshot, name: x, namespace: auth-prod}}", "WRK-006"},
	{byTenant, "PersistentVolumeClaim billing-prod", "", "spec: {dataSourceRef: {kind: VolumeSnapshot, name: x}}", ""},
	{byTenant, "PersistentVolumeClaim billing-prod", "", "spec: {storageClassName: fast}", "WRK-006"},
	{byTenant, "PersistentVolumeClaim billing-prod", "", "spec: {storageClassName: standard}", ""},
	{byTenant, "Ingress billing-prod", "", "spec: {ingressClassName: public, rules: [{host: billing.example.com}]}", "NET-005"},
	{byTenant, "Ingress billing-prod", "annotations: {kubernetes.io/ingress.class: public}", "spec: {rules: [{host: billing.example.com}]}", "NET-005"},
	{byTenant, "Ingress billing-prod", "", "spec: {ingressClassName: internal, rules: [{host: billing.example.com}]}", ""},
	{byTenant, "Gateway billing-prod", "", "spec: {gatewayClassName: public, listeners: [{name: a, hostname: a.billing.example.com}]}", "NET-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {priorityClassName: platform}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {priorityClassName: system-node-critical}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {priorityClassName: tenants}}}", ""},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {}}}", ""},
	{byTenant, "CronJob billing-prod", "", "spec: {jobTemplate: {spec: {template: {spec: {priorityClassName: platform}}}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {nodeName: control-plane-1}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {tolerations: [{operator: Exists}]}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {nodeSelector: {node-role.kubernetes.io/control-plane: ''}}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {schedulerName: mine}}}", "WRK-005"},
	{byTenant, "Deployment billing-prod", "", "spec: {template: {spec: {schedulerName: default-scheduler, nodeSelector: {pool: billing}, tolerations: [{key: pool, value: billing}]}}}", ""},
	{byTenant, "Terraform billing-prod", "", "spec: {}", ""},
	{byTenant, "Deployment auth-prod", "", "spec: {template: {spec: {priorityClassName: system-node-critical}}}", "WRK-005"},

	{byTenant, "ServiceMonitor billing-prod", "", "spec: {namespaceSelector: {any: true}}", "DEL-004"},
	{byTenant, "ServiceMonitor billing-prod", "", "spec: {namespaceSelector: {matchNames: [billing-prod, auth-prod]}}", "DEL-004"},
	{byTenant, "ServiceMonitor billing-prod", "", "spec: {namespaceSelector: {matchNames: [billing-prod, billing-jobs]}}", ""},
	{byTenant, "Probe billing-prod", "", "spec: {targets: {ingress: {namespaceSelector: {any: true}}}}", "DEL-004"},
	{byTenant, "IngressRoute billing-prod", "", "spec: {routes: [{services: [{name: x, namespace: auth-prod}]}]}", "DEL-004"},
	{byTenant, "IngressRoute billing-prod", "", "spec: {routes: [{services: [{name: x}]}]}", ""},
	{byTenant, "Service billing-prod", "", "spec: {type: ClusterIP}", ""},
	{byTenant, "Service billing-prod", "", "spec: {externalIPs: [10.0.0.1]}", "NET-006"},
	{byTenant, "Service billing-prod", "", "spec: {type: ExternalName, externalName: vault.auth-prod.svc.cluster.local}", "NET-006"},
	{byTenant, "Service billing-prod", "", "spec: {type: ExternalName, externalName: db.example.com}", ""},
	{byTenant, "Secret billing-prod", "", "type: Opaque", ""},
	{byTenant, "Secret billing-prod", "annotations: {kubernetes.io/service-account.name: flux}", "type: kubernetes.io/service-account-token", ""},
	{byTenant, "Secret billing-prod", "annotations: {kubernetes.io/service-account.name: backup-operator}", "type: kubernetes.io/service-account-token", "SEC-008"},
	{byTenant, "Secret auth-prod", "annotations: {kubernetes.io/service-account.name: default}", "type: kubernetes.io/service-account-token", "SEC-008"},
	{byTenant, "ServiceAccount billing-prod", "annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/billing-ecr'}", "automountServiceAccountToken: false", ""},
	{byTenant, "ServiceAccount billing-prod", "annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/platform-admin'}", "automountServiceAccountToken: false", "SEC-006"},
	{byTenant, "ServiceAccount auth-prod", "annotations: {iam.gke.io/gcp-service-account: x@y.iam}", "automountServiceAccountToken: false", "SEC-006"},
}

func TestCreations(t *testing.T) {
	g := compile(t, made(t, "isolated"))
	for _, c := range creations {
		text, resource := of(c.what, c.meta, c.rest)
		expect(t, g, ask{user: c.user, resource: resource, new: text}, c.want)
	}
}

func expect(t *testing.T, g *guards, a ask, want string) {
	t.Helper()
	got := g.refused(t, a)
	if want == "" && len(got) > 0 || want != "" && !slices.ContainsFunc(got, func(m string) bool { return strings.Contains(m, want) }) {
		t.Errorf("%s by %s, %q\nbefore: %s\nwant %q, refused: %s", a.resource, a.user, want, a.old, want, a.new+"\n  "+strings.Join(got, "\n  "))
	}
}

// TestChanges: what stands already, good or bad, may be touched where the guard is not concerned.
func TestChanges(t *testing.T) {
	const (
		ours = "labels: {app.kubernetes.io/managed-by: bulkhead}"
		bad  = "spec: {serviceAccountName: root, sourceRef: {kind: GitRepository, name: x}}"
		good = "spec: {serviceAccountName: billing-prod, suspend: false, sourceRef: {kind: GitRepository, name: billing}}"
		ns   = "name: billing-prod, labels: {kubernetes.io/metadata.name: billing-prod, pod-security.kubernetes.io/enforce: restricted, tier: a}"
	)
	g := compile(t, made(t, "isolated"))
	for name, c := range map[string]struct{ user, what, metaOld, old, meta, new, want string }{
		"finalizer of a bad one":   {byPlatform, "Kustomization billing-prod", "", bad, "finalizers: [a.b/c]", bad, ""},
		"spec of a bad one":        {byTenant, "Kustomization billing-prod", "", bad, "", strings.Replace(bad, "name: x", "name: y", 1), "NST-002"},
		"reconcile now":            {byTenant, "Kustomization billing-flux", ours, good, ours + ", annotations: {reconcile.fluxcd.io/requestedAt: now}", good, ""},
		"suspend":                  {byTenant, "Kustomization billing-flux", ours, good, ours, strings.Replace(good, "false", "true", 1), ""},
		"another source":           {byTenant, "Kustomization billing-flux", ours, good, ours, strings.Replace(good, "billing}", "other}", 1), "NST-006"},
		"a field less":             {byTenant, "ResourceQuota billing-prod", ours, "spec: {hard: {pods: '1'}, scopes: [BestEffort]}", ours, "spec: {hard: {pods: '1'}}", "RBC-012"},
		"a wider quota":            {byHelm, "ResourceQuota billing-prod", ours, "spec: {hard: {pods: '1'}}", ours, "spec: {hard: {pods: '9'}}", "RBC-012"},
		"the platform's quota":     {byPlatform, "ResourceQuota billing-prod", ours, "spec: {hard: {pods: '1'}}", ours, "spec: {hard: {pods: '9'}}", ""},
		"the label goes":           {byTenant, "ResourceQuota billing-prod", ours, "spec: {hard: {pods: '1'}}", "", "spec: {hard: {pods: '1'}}", "OWN-002"},
		"a mark":                   {byHelm, "NetworkPolicy billing-prod", ours, "spec: {podSelector: {}}", ours + ", annotations: {kustomize.toolkit.fluxcd.io/ssa: Ignore}", "spec: {podSelector: {}}", "OWN-002"},
		"a quota is deleted":       {byTenant, "ResourceQuota billing-prod", ours, "spec: {hard: {pods: '1'}}", "", "", "RBC-012"},
		"another quota is deleted": {byTenant, "ResourceQuota billing-prod", "", "spec: {hard: {pods: '1'}}", "", "", ""},
		"an account gets a pull secret": {
			byTenant, "ServiceAccount billing-prod", ours, "automountServiceAccountToken: false", ours, "{automountServiceAccountToken: false, imagePullSecrets: [{name: x}]}", "",
		},
		"an account mounts its token": {byTenant, "ServiceAccount billing-prod", ours, "automountServiceAccountToken: false", ours, "automountServiceAccountToken: true", "RBC-012"},
		"a role of the platform": {
			byHelm, "ClusterRole", ours, "rules: [{verbs: [get], apiGroups: [''], resources: [pods]}]", ours, "rules: [{verbs: ['*'], apiGroups: [''], resources: [pods]}]", "RBC-012",
		},
		"a binding keeps its bad subject": {byTenant, "RoleBinding billing-prod", "", "subjects: [{kind: User, name: jo}]", "labels: {a: b}", "subjects: [{kind: User, name: jo}]", ""},
		"a pod security":                  {byHelm, "Namespace", ns, "spec: {}", strings.Replace(ns, "restricted", "privileged", 1), "spec: {}", "NSB-007"},
		"a pod security goes":             {byHelm, "Namespace", ns, "spec: {}", "name: billing-prod", "spec: {}", "NSB-007"},
		"a label of somebody else":        {byHelm, "Namespace", ns, "spec: {}", strings.Replace(ns, "tier: a", "tier: b", 1), "spec: {}", ""},
		"a label of the tenant":           {byTenant, "Namespace", ns, "spec: {}", strings.Replace(ns, "tier: a", "tier: b", 1), "spec: {}", "NSB-007"},
		"a namespace is marked":           {byHelm, "Namespace", ns, "spec: {}", ns + ", annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}", "spec: {}", "NSB-007"},
		"a namespace is deleted":          {byTenant, "Namespace", ns, "spec: {}", "", "", "RBC-005"},
		"the platform deletes one":        {byPlatform, "Namespace", ns, "spec: {}", "", "", ""},
		"a namespace of nobody":           {byHelm, "Namespace", "name: other", "spec: {}", "", "", ""},
		"an account is untouched": {
			byTenant, "ServiceAccount auth-prod", "annotations: {eks.amazonaws.com/role-arn: x}", "automountServiceAccountToken: false",
			"annotations: {eks.amazonaws.com/role-arn: x}", "{automountServiceAccountToken: false, imagePullSecrets: [{name: x}]}", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			old, resource := of(c.what, c.metaOld, strings.Trim(c.old, "{}"))
			if strings.HasSuffix(c.old, "}") && !strings.HasPrefix(c.old, "{") {
				old, resource = of(c.what, c.metaOld, c.old)
			}
			now := ""
			if c.new != "" {
				now, _ = of(c.what, c.meta, c.new)
				if strings.HasPrefix(c.new, "{") {
					now, _ = of(c.what, c.meta, c.new[1:len(c.new)-1])
				}
			}
			expect(t, g, ask{user: c.user, resource: resource, old: old, new: now}, c.want)
		})
	}
	quota, resource := of("ResourceQuota billing-prod", ours, "spec: {hard: {pods: '1'}}")
	expect(t, g, ask{user: "kube-system/namespace-controller", resource: resource, old: quota, terminating: true}, "")
	source, resource := of("GitRepository billing-prod", "", "spec: {url: 'https://git.example.com/acme/fleet'}")
	expect(t, g, ask{user: "flux-system/source-controller", resource: resource + "/status", old: source, new: source}, "")
	expect(t, g, ask{user: byTenant, resource: resource + "/status", old: source, new: source}, "RBC-010")
}

// TestArticle: where the Flux objects of tenants are in flux-system, they are held to their accounts there.
func TestArticle(t *testing.T) {
	g := compile(t, made(t, "article"))
	for _, c := range []struct{ user, what, meta, rest, want string }{
		{byPlatform, "Kustomization flux-system", "name: billing-prod", "spec: {serviceAccountName: billing-prod, sourceRef: {kind: GitRepository, name: billing-prod}}", ""},
		{byPlatform, "Kustomization flux-system", "name: billing-prod", "spec: {serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: billing-prod}}", "NST-002"},
		{byPlatform, "Kustomization flux-system", "name: other", "spec: {serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: billing-prod}}", "IMP-008"},
		{byPlatform, "Kustomization flux-system", "name: other", "spec: {sourceRef: {kind: GitRepository, name: billing-prod}}", "IMP-001"},
		{byPlatform, "GitRepository flux-system", "name: billing-prod", "spec: {url: 'https://git.example.com/acme/billing'}", ""},
		{byPlatform, "GitRepository flux-system", "name: again", "spec: {url: 'https://git.example.com/acme/billing'}", "IMP-006"},
		{"platform/deployer", "GitRepository flux-system", "name: billing-prod, labels: {app.kubernetes.io/managed-by: bulkhead}", "spec: {url: 'https://git.example.com/acme/billing'}", ""},
		{byHelm, "GitRepository flux-system", "name: billing-prod, labels: {app.kubernetes.io/managed-by: bulkhead}", "spec: {url: 'https://git.example.com/acme/billing'}", "NST-006"},
	} {
		text, resource := of(c.what, c.meta, c.rest)
		expect(t, g, ask{user: c.user, resource: resource, new: text}, c.want)
	}
}

// TestMany: on a cluster of many tenants no policy costs more than the API server allows, which would refuse everything.
func TestMany(t *testing.T) {
	text := "apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: prod}\nspec: {path: clusters/prod}\n"
	for i := range 500 {
		name := fmt.Sprintf("team-%03d", i)
		text += "---\napiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: " + name + "}\nspec:\n  repository: {url: \"https://git.example.com/acme/" + name + "\"}\n" +
			"  nestedFlux: Pinned\n  contract: {hosts: [\"*." + name + ".example.com\"]}\n  environments: [{name: prod, clusters: {}, namespaces: [" + name + "-a, " + name + "-b]}]\n"
	}
	docs, err := v1alpha1.Decode("fleet/all.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	all, err := tenant.Compartments(docs)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := guard.Objects("prod", all, guard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	samePatched(t, objects, guard.Patches(all)[0].Patch)
	g := compile(t, objects)
	var subjects []string
	for i := range 50 {
		subjects = append(subjects, fmt.Sprintf("{kind: User, name: 'system:serviceaccount:kube-system:some-controller-%d'}", i))
	}
	for _, c := range []struct{ user, what, meta, rest, want string }{
		{"team-499-flux/team-499-prod", "Kustomization team-499-a", "", "spec: {serviceAccountName: flux, sourceRef: {kind: GitRepository, name: x}}", ""},
		{"team-499-flux/team-499-prod", "Kustomization team-499-a", "", "spec: {serviceAccountName: flux, targetNamespace: team-498-a, sourceRef: {kind: GitRepository, name: x}}", "NSB-003"},
		{"team-499-flux/team-499-prod", "GitRepository team-499-a", "", "spec: {url: 'https://git.example.com/acme/team-499'}", ""},
		{"team-499-flux/team-499-prod", "Ingress team-499-a", "", "spec: {rules: [{host: a.team-499.example.com}]}", ""},
		{byPlatform, "Kustomization flux-system", "name: x", "spec: {serviceAccountName: x, sourceRef: {kind: GitRepository, name: flux-system}}", ""},
		{byPlatform, "GitRepository flux-system", "name: x", "spec: {url: 'https://git.example.com/acme/fleet'}", ""},
		{byHelm, "Namespace", "name: team-499-a, labels: {a: b}", "spec: {}", "NSB-006"},
		{byHelm, "ClusterRoleBinding", "", "subjects: [" + strings.Join(subjects, ", ") + "]", ""},
	} {
		text, resource := of(c.what, c.meta, c.rest)
		expect(t, g, ask{user: c.user, resource: resource, new: text}, c.want)
	}
}

// samePatched applies a patch of the policies to one of the base, whose variables are then those of the whole guards.
func samePatched(t *testing.T, want []*object.Object, patch string) {
	t.Helper()
	var steps []struct {
		Op, Path string
		Value    any
	}
	if err := yaml.UnmarshalStrict([]byte(patch), &steps); err != nil {
		t.Fatal(err)
	}
	shared, err := guard.Base(guard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	variables := func(objects []*object.Object) []any {
		for _, o := range objects {
			if o.ID.Kind == "ValidatingAdmissionPolicy" && o.ID.Name == "bulkhead-sources" {
				list, _, _ := unstructured.NestedSlice(o.Body().Map(), "spec", "variables")
				return list
			}
		}
		return nil
	}
	got := variables(shared)
	for _, s := range steps {
		switch s.Op + " " + s.Path {
		case "replace /spec/variables/0/expression":
			got[0] = map[string]any{"name": "tenants", "expression": s.Value}
		case "add /spec/variables/0":
			got = slices.Insert(got, 0, s.Value)
		default:
			t.Fatalf("%s %s", s.Op, s.Path)
		}
	}
	if diff := cmp.Diff(variables(want), got); diff != "" || len(steps) < 2 {
		t.Errorf("%d steps, the variables of a policy (-want +got):\n%.2000s", len(steps), diff)
	}
}
