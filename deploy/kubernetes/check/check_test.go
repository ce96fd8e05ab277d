// Package check reads the manifests beside it as a cluster does that refuses unknown and doubled fields. It is a module of its own, so
// that ghostaux does not depend on the types of Kubernetes.
package check

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
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

// patched is the chart's StatefulSet with patches, as `kubectl patch` merges them.
func patched(t *testing.T, patches ...string) core.PodSpec {
	t.Helper()
	merged := asJSON(t, "check/testdata/chart.yaml")
	for _, p := range patches {
		decode[apps.StatefulSet](t, p)
		var err error
		if merged, err = strategicpatch.StrategicMergePatch(merged, asJSON(t, p), apps.StatefulSet{}); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
	}
	var set apps.StatefulSet
	if err := yaml.UnmarshalStrict(merged, &set); err != nil {
		t.Fatal(err)
	}
	return set.Spec.Template.Spec
}

func asJSON(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", file))
	if err == nil {
		content, err = yaml.YAMLToJSON(content)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return content
}

// The patched pod keeps what the chart gave it, and has ghostaux in a container without rights, whose volumes are there.
func TestPatch(t *testing.T) {
	spec := patched(t, "statefulset-patch.yaml")
	desktop, own := container(t, spec, "signal"), container(t, spec, "ghostaux")
	if len(spec.Containers) != 2 || desktop.Image != own.Image || desktop.Ports[0].ContainerPort != 6901 || len(desktop.VolumeMounts) != 3 {
		t.Errorf("the desktop's container is %+v", desktop)
	}
	if len(desktop.Env) != 3 {
		t.Errorf("the desktop's environment is %v", desktop.Env)
	}
	s := own.SecurityContext
	if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
		t.Errorf("ghostaux runs with %+v", s)
	}
	if p := spec.SecurityContext; *p.RunAsUser != 1000 || !*p.RunAsNonRoot || *p.FSGroup != 1000 {
		t.Errorf("the pod runs with %+v", p)
	}
	mountsExist(t, spec)
	for path, probe := range map[string]*core.Probe{"/healthz": own.LivenessProbe, "/readyz": own.ReadinessProbe} {
		if get := probe.HTTPGet; get.Path != path || get.Port.StrVal != own.Ports[0].Name || get.Scheme != core.URISchemeHTTPS {
			t.Errorf("the probe for %s asks %v", path, get)
		}
	}
}

func mountsExist(t *testing.T, spec core.PodSpec) {
	t.Helper()
	volumes := map[string]bool{"signal-data": true} // of the chart's volume claim
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range spec.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: there is no volume %s", c.Name, m.Name)
			}
		}
	}
}

func env(c core.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// The chart's TLS modes: auto and custom by its own file, custom by the secret, disabled.
func TestTLSModes(t *testing.T) {
	auto := container(t, patched(t, "statefulset-patch.yaml"), "ghostaux")
	if env(auto, "GHOSTAUX_CERT") != "/home/kasm-user/.vnc/self.pem" || env(auto, "GHOSTAUX_TLS") != "auto" {
		t.Errorf("auto: %v", auto.Env)
	}
	spec := patched(t, "statefulset-patch.yaml", "tls-secret-patch.yaml")
	mountsExist(t, spec)
	secret := container(t, spec, "ghostaux")
	mount := secret.VolumeMounts[slices.IndexFunc(secret.VolumeMounts, func(m core.VolumeMount) bool { return m.Name == "tls" })]
	if env(secret, "GHOSTAUX_CERT") != mount.MountPath+"/tls.crt" || env(secret, "GHOSTAUX_CERTKEY") != mount.MountPath+"/tls.key" || mount.SubPath != "" {
		t.Errorf("custom: %v, %+v", secret.Env, mount)
	}
	off := container(t, patched(t, "statefulset-patch.yaml", "tls-disabled-patch.yaml"), "ghostaux")
	if env(off, "GHOSTAUX_TLS") != "off" || len(off.Env) != len(auto.Env) {
		t.Errorf("disabled: %v", off.Env)
	}
	for path, probe := range map[string]*core.Probe{"/healthz": off.LivenessProbe, "/readyz": off.ReadinessProbe} {
		if get := probe.HTTPGet; get.Path != path || get.Scheme != core.URISchemeHTTP {
			t.Errorf("disabled: the probe for %s asks %v", path, get)
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
	monitor := decode[monitoring.ServiceMonitor](t, "servicemonitor.yaml")
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
