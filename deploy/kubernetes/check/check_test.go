// Package check reads the manifests beside it as a cluster does that refuses unknown and doubled fields. It is a module of its own, so
// that ghostaux does not depend on the types of Kubernetes.
package check

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func decode[T any](t *testing.T, file string) *T {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	v := new(T)
	if err := yaml.UnmarshalStrict(content, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}

// The patch has what the pod needs, and meets the Ghostwire chart where it has to: its container signal and its volume signal-data.
func TestPatch(t *testing.T) {
	spec := decode[apps.StatefulSet](t, "statefulset-patch.yaml").Spec.Template.Spec
	desktop, own := container(t, spec, "signal"), container(t, spec, "ghostaux")
	if desktop.Image != own.Image {
		t.Errorf("images %s and %s", desktop.Image, own.Image)
	}
	s := own.SecurityContext
	if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
		t.Errorf("ghostaux runs with %+v", s)
	}
	if p := spec.SecurityContext; *p.RunAsUser != 1000 || !*p.RunAsNonRoot {
		t.Errorf("the pod runs with %+v", p)
	}
	volumes := map[string]bool{"signal-data": true} // of the chart's volume claim
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range append(own.VolumeMounts, desktop.VolumeMounts...) {
		if !volumes[m.Name] {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	for _, p := range []*core.Probe{own.LivenessProbe, own.ReadinessProbe, own.StartupProbe} {
		if p.HTTPGet.Port.StrVal != own.Ports[0].Name {
			t.Errorf("a probe asks %v", p.HTTPGet)
		}
	}
}

func container(t *testing.T, spec core.PodSpec, name string) core.Container {
	t.Helper()
	i := slices.IndexFunc(spec.Containers, func(c core.Container) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no container %s", name)
	}
	return spec.Containers[i]
}

// serviceMonitor is as much of the Prometheus operator's resource as is used here; its own module is large.
type serviceMonitor struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  meta.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port      string `json:"port"`
			Path      string `json:"path"`
			Scheme    string `json:"scheme"`
			Interval  string `json:"interval"`
			TLSConfig struct {
				InsecureSkipVerify bool `json:"insecureSkipVerify"`
			} `json:"tlsConfig"`
			BasicAuth struct {
				Username core.SecretKeySelector `json:"username"`
				Password core.SecretKeySelector `json:"password"`
			} `json:"basicAuth"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// The other manifests name each other rightly.
func TestManifests(t *testing.T) {
	set := decode[apps.StatefulSet](t, "statefulset-patch.yaml")
	port := container(t, set.Spec.Template.Spec, "ghostaux").Ports[0]
	service := decode[core.Service](t, "service.yaml")
	own := service.Spec.Ports[0]
	if own.TargetPort.StrVal != port.Name || own.Port != port.ContainerPort {
		t.Errorf("the service's port is %+v, the container's %+v", own, port)
	}
	ingress := decode[networking.Ingress](t, "ingress.yaml")
	paths := ingress.Spec.Rules[0].HTTP.Paths
	if b := paths[0].Backend.Service; len(paths) != 1 || b.Name != service.Name || b.Port.Name != own.Name {
		t.Errorf("the ingress leads to %+v", paths)
	}
	policy := decode[networking.NetworkPolicy](t, "networkpolicy.yaml")
	if policy.Spec.Ingress[0].Ports[0].Port.IntVal != port.ContainerPort {
		t.Errorf("the policy opens %v", policy.Spec.Ingress[0].Ports)
	}
	monitor := decode[serviceMonitor](t, "servicemonitor.yaml")
	if monitor.Spec.Endpoints[0].Port != own.Name {
		t.Errorf("the monitor asks %s", monitor.Spec.Endpoints[0].Port)
	}
	for key, value := range monitor.Spec.Selector.MatchLabels {
		if service.Labels[key] != value {
			t.Errorf("the monitor looks for %s=%s", key, value)
		}
	}
	decode[map[string]any](t, "values.yaml")
}
