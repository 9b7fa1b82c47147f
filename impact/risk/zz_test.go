package risk
import ("testing";"fmt";"time";"github.com/bulkhead-dev/bulkhead/impact";"github.com/bulkhead-dev/bulkhead/object";"github.com/bulkhead-dev/bulkhead/render")
func TestZZ(t *testing.T){
 n:=1000
 var before, after []*object.Object
 rep:=&impact.Cluster{Name:"a"}
 for i:=range n {
  d:=func(tag string,r int)*object.Object{return parsed(t, fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: w%d, namespace: x}, spec: {replicas: %d, template: {metadata: {labels: {app: w%d, v: "%s"}}, spec: {containers: [{name: app, image: "r.example.com/web:%s", envFrom: [{configMapRef: {name: c%d}}]}]}}}}`,i,r,i,tag,tag,i))}
  a,b:=d("1.2.3",4),d("1.3.0",1)
  before=append(before,a); after=append(after,b); rep.Changes=append(rep.Changes,edited(a,b))
  for _,k:=range []string{
   `{apiVersion: v1, kind: ConfigMap, metadata: {name: c%d, namespace: x}}`,
   `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: c%d, namespace: x}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}`,
   `{apiVersion: v1, kind: Service, metadata: {name: c%d, namespace: x}, spec: {selector: {app: web}}}`,
   `{apiVersion: v1, kind: Secret, metadata: {name: c%d, namespace: x}}`} {
   o:=parsed(t,fmt.Sprintf(k,i)); before=append(before,o)
   rep.Changes=append(rep.Changes,&impact.Change{Kind:impact.Removed,ID:o.ID,Before:o,Fate:impact.Deleted})
  }
  s:=parsed(t,fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: s%d, namespace: x}, spec: {selector: {app: w%d, v: 1.2.3}}}`,i,i))
  before=append(before,s); after=append(after,s)
 }
 x:=&render.Result{Clusters:[]*render.Cluster{{Name:"a",Objects:object.NewSet(before...)}}}
 y:=&render.Result{Clusters:[]*render.Cluster{{Name:"a",Objects:object.NewSet(after...)}}}
 st:=time.Now()
 f:=Assess(x,y,&impact.Report{Clusters:[]*impact.Cluster{rep}})
 t.Log(len(rep.Changes),len(f),time.Since(st))
}
