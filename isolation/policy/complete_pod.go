package policy

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// completePods fills in the template of pods.
func completePods(t *corev1.PodTemplateSpec) { completePodSpec(&t.Spec) }

// completePod fills in a pod, of which more is said than of a template. What ServiceAccount, LimitRanger, Priority and other plugins of admission add
// is left out.
func completePod(o *corev1.Pod) {
	s := &o.Spec
	completePodSpec(s)
	unset(&s.EnableServiceLinks, true)
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			c := &list[i]
			for j := range c.Ports {
				if s.HostNetwork {
					empty(&c.Ports[j].HostPort, c.Ports[j].ContainerPort)
				}
			}
			for k, v := range c.Resources.Limits {
				if c.Resources.Requests == nil {
					c.Resources.Requests = corev1.ResourceList{}
				}
				if _, said := c.Resources.Requests[k]; !said {
					c.Resources.Requests[k] = v
				}
			}
		}
	}
}

func completePodSpec(s *corev1.PodSpec) {
	empty(&s.DNSPolicy, corev1.DNSClusterFirst)
	empty(&s.RestartPolicy, corev1.RestartPolicyAlways)
	unset(&s.SecurityContext, corev1.PodSecurityContext{})
	unset(&s.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	empty(&s.SchedulerName, corev1.DefaultSchedulerName)
	if s.ServiceAccountName == "" { // the old name counts when the new one is not said, and both are shown
		s.ServiceAccountName = s.DeprecatedServiceAccount
	}
	s.DeprecatedServiceAccount = s.ServiceAccountName
	for i := range s.Volumes {
		completeVolume(&s.Volumes[i].VolumeSource)
	}
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			completeContainer(&list[i])
		}
	}
}

func completeContainer(c *corev1.Container) {
	empty(&c.ImagePullPolicy, pullPolicy(c.Image))
	empty(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	empty(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		empty(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if f := c.Env[i].ValueFrom; f != nil && f.FieldRef != nil {
			empty(&f.FieldRef.APIVersion, "v1")
		}
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p == nil {
			continue
		}
		empty(&p.TimeoutSeconds, 1)
		empty(&p.PeriodSeconds, 10)
		empty(&p.SuccessThreshold, 1)
		empty(&p.FailureThreshold, 3)
		completeGet(p.HTTPGet)
		if p.GRPC != nil {
			unset(&p.GRPC.Service, "")
		}
	}
	if l := c.Lifecycle; l != nil {
		for _, h := range []*corev1.LifecycleHandler{l.PostStart, l.PreStop} {
			if h != nil {
				completeGet(h.HTTPGet)
			}
		}
	}
}

func completeGet(g *corev1.HTTPGetAction) {
	if g != nil {
		empty(&g.Path, "/")
		empty(&g.Scheme, corev1.URISchemeHTTP)
	}
}

// pullPolicy of an image that says none: what has no tag and no digest, or the tag latest, is pulled always.
func pullPolicy(image string) corev1.PullPolicy {
	if strings.Contains(image, "@") {
		return corev1.PullIfNotPresent
	}
	last := image[strings.LastIndex(image, "/")+1:]
	if _, tag, tagged := strings.Cut(last, ":"); tagged && tag != "latest" {
		return corev1.PullIfNotPresent
	}
	return corev1.PullAlways
}

func completeVolume(v *corev1.VolumeSource) {
	if *v == (corev1.VolumeSource{}) {
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	mode := corev1.SecretVolumeSourceDefaultMode // all have the same
	switch {
	case v.Secret != nil:
		unset(&v.Secret.DefaultMode, mode)
	case v.ConfigMap != nil:
		unset(&v.ConfigMap.DefaultMode, mode)
	case v.DownwardAPI != nil:
		unset(&v.DownwardAPI.DefaultMode, mode)
		completeItems(v.DownwardAPI.Items)
	case v.HostPath != nil:
		unset(&v.HostPath.Type, corev1.HostPathUnset)
	case v.Image != nil:
		empty(&v.Image.PullPolicy, pullPolicy(v.Image.Reference))
	case v.Projected != nil:
		unset(&v.Projected.DefaultMode, mode)
		for i := range v.Projected.Sources {
			p := &v.Projected.Sources[i]
			if p.ServiceAccountToken != nil {
				unset(&p.ServiceAccountToken.ExpirationSeconds, 60*60)
			}
			if p.DownwardAPI != nil {
				completeItems(p.DownwardAPI.Items)
			}
		}
	case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
		unset(&v.Ephemeral.VolumeClaimTemplate.Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
	}
}

func completeItems(list []corev1.DownwardAPIVolumeFile) {
	for i := range list {
		if list[i].FieldRef != nil {
			empty(&list[i].FieldRef.APIVersion, "v1")
		}
	}
}
