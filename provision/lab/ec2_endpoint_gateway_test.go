package lab_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/linkassay/linkassay/provision/lab"
)

// An endpoint that is made without a type is a gateway endpoint: it has no interfaces and no names, and
// subnets and customers' services are refused.
func TestEndpointWithoutATypeIsAGateway(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	in := p.request(p.makeService(false, plRoot(plConsumer)))
	in.VpcEndpointType = ""
	_, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.refused(err, "InvalidParameter", "Endpoint type (Gateway)")

	in.ServiceName = aws.String("com.amazonaws.ap-southeast-1.s3")
	_, err = p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.refused(err, "InvalidParameter", "not supported for Gateway endpoints")

	out, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, &ec2.CreateVpcEndpointInput{VpcId: in.VpcId, ServiceName: in.ServiceName})
	p.must("create a gateway endpoint", err)
	e := p.endpoint(out.VpcEndpoint.VpcEndpointId)
	plEq(t, "type", string(e.VpcEndpointType), "Gateway")
	plEq(t, "interfaces and names", len(e.NetworkInterfaceIds)+len(e.DnsEntries), 0)
	_, err = p.consumer.ec2.DeleteVpcEndpoints(p.ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
	p.must("delete it", err)
}

// The states that AWS alone makes of an endpoint hold until it is deleted; unknown ids are refused.
func TestStatesThatAWSMakes(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(false, plRoot(plConsumer))
	e := p.makeEndpoint(s)
	p.untilState(e.VpcEndpointId, "available")
	id := *e.VpcEndpointId
	p.must("force", p.lab.SetEndpoint(id, lab.EndpointState{State: "failed", Code: "InternalError", Message: "no"}))
	got := p.endpoint(&id)
	plEq(t, "state", string(got.State), "failed")
	plEq(t, "error", aws.ToString(got.LastError.Code), "InternalError")

	connections := func() int {
		out, err := p.provider.ec2.DescribeVpcEndpointConnections(p.ctx, &ec2.DescribeVpcEndpointConnectionsInput{})
		p.must("describe connections", err)
		return len(out.VpcEndpointConnections)
	}
	p.must("hide", p.lab.HideConnection(id, true))
	plEq(t, "connections that the provider sees", connections(), 0)
	p.must("show", p.lab.HideConnection(id, false))
	plEq(t, "connections that the provider sees again", connections(), 1)

	p.must("lose an interface", p.lab.LoseInterface(id, got.SubnetIds[0]))
	out, err := p.consumer.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: got.NetworkInterfaceIds})
	p.must("describe interfaces", err)
	lost := 0
	for _, n := range out.NetworkInterfaces {
		if n.Status != "in-use" {
			lost++
		}
	}
	plEq(t, "interfaces that are not in use", lost, 1)
	if p.lab.SetEndpoint("vpce-0", lab.EndpointState{}) == nil || p.lab.LoseInterface(id, "subnet-0") == nil {
		t.Error("what is not there was changed")
	}

	p.must("stop going", p.lab.SetEndpoint(id, lab.EndpointState{State: "deleting"}))
	_, err = p.consumer.ec2.DeleteVpcEndpoints(p.ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
	p.must("delete it", err)
	p.until("it is gone", func() bool {
		_, err := p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
		return err != nil
	})
}
