package guard

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// controllers of Flux, by the label of their pods.
//
// Source: flux2 v2.9, the manifests of flux install.
func controllers() []string {
	return []string{
		"source-controller", "kustomize-controller", "helm-controller", "notification-controller", "image-reflector-controller",
		"image-automation-controller", "source-watcher",
	}
}

// networks close the pods of Flux: source-controller gives the files of every tenant to whoever asks. Metrics stay open, and so do webhooks.
// They add to the policies that Flux comes with, and narrow nothing that those open.
//
// Source: flux2 v2.9, manifests/policies: allow-egress, allow-scraping, allow-webhooks; the ports of the controllers' services.
func networks() []*networkingv1.NetworkPolicy {
	return []*networkingv1.NetworkPolicy{
		network("bulkhead-flux", controllers(), []networkingv1.NetworkPolicyIngressRule{
			{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}},
			{Ports: port(8080)},
		}),
		network("bulkhead-webhooks", []string{"notification-controller"}, []networkingv1.NetworkPolicyIngressRule{{Ports: port(9292)}}),
	}
}

func network(name string, apps []string, ingress []networkingv1.NetworkPolicyIngressRule) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: fluxNamespace, Labels: labels(), Annotations: map[string]string{AnnotationRules: "CTL-006"}},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: apps}}},
			Ingress:     ingress, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}
}

func port(number int32) []networkingv1.NetworkPolicyPort {
	p := intstr.FromInt32(number)
	return []networkingv1.NetworkPolicyPort{{Port: &p}}
}
