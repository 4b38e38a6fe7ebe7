"""Strict check of raw EC2, query and rest-xml response bodies against botocore's service models.

boto3 itself parses leniently: unknown elements, wrong list item names and unknown enum values pass.
This reports them, and wrong scalar syntax, missing required members, wrong root or namespace.

Usage: python3 check_response.py http://127.0.0.1:PORT   (boto3 must be importable; newest models are best:
Debian's older botocore calls newer members unknown. Known exception: the VpcEndpoint State enum, which AWS
itself sends in lower camel case.) Credentials come from the environment.
"""
import re, sys, json, gzip, os, datetime
import xml.etree.ElementTree as ET
import botocore.loaders, botocore.model
def load(svc):
    l=botocore.loaders.create_loader(); return botocore.model.ServiceModel(l.load_service_model(svc,'service-2'),svc)
def tag(e): return e.tag.split('}',1)[-1]
TS=re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$')
def chk(shape,el,path,out):
    t=shape.type_name
    if t=='structure':
        byname={}
        for n,m in shape.members.items():
            s=m.serialization
            if s.get('location') in('header','headers','statusCode'): continue
            nm=s.get('name') or n
            if t=='structure' and m.type_name=='list' and m.serialization.get('flattened') and not s.get('name'):
                nm=m.member.serialization.get('name') or n
            byname[nm]=(n,m)
        seen=set()
        for c in list(el):
            k=tag(c)
            if k not in byname:
                out.append(f'{path}: unknown element <{k}>'); continue
            n,m=byname[k]
            if n in seen and not(m.type_name=='list' and m.serialization.get('flattened')): out.append(f'{path}.{n}: repeated')
            seen.add(n); chk(m,c,f'{path}.{n}',out)
        for r in getattr(shape,'required_members',[]):
            if r not in seen and shape.members[r].serialization.get('location') not in('header','headers','statusCode'): out.append(f'{path}: missing required {r}')
        if (el.text or '').strip(): out.append(f'{path}: text inside a structure: {el.text.strip()[:40]!r}')
    elif t=='list':
        if shape.serialization.get('flattened'): chk(shape.member,el,path+'[]',out); return
        item=shape.member.serialization.get('name') or 'member'
        for i,c in enumerate(list(el)):
            if tag(c)!=item: out.append(f'{path}: list item <{tag(c)}>, model says <{item}>')
            else: chk(shape.member,c,f'{path}[{i}]',out)
        if (el.text or '').strip(): out.append(f'{path}: text inside a list')
    elif t=='map': pass
    else:
        v=(el.text or '')
        if len(list(el)): out.append(f'{path}: children inside scalar {t}'); return
        if t=='boolean' and v not in('true','false'): out.append(f'{path}: boolean {v!r}')
        elif t in('integer','long') and not re.match(r'^-?\d+$',v): out.append(f'{path}: {t} {v!r}')
        elif t in('float','double') and not re.match(r'^-?\d+(\.\d+)?([eE]-?\d+)?$',v): out.append(f'{path}: {t} {v!r}')
        elif t=='timestamp' and not TS.match(v): out.append(f'{path}: timestamp {v!r}')
        elif t=='string' and shape.enum and v not in shape.enum: out.append(f'{path}: {v!r} not in enum {shape.enum[:8]}')
def check(model,op,body):
    o=model.operation_model(op); sh=o.output_shape; out=[]
    root=ET.fromstring(body); proto=model.metadata['protocol']
    if proto=='ec2':
        if tag(root)!=op+'Response': out.append(f'root <{tag(root)}>, want <{op}Response>')
        kids=[c for c in root if tag(c) not in('requestId',)]
        if not any(tag(c)=='requestId' for c in root): out.append('no <requestId>')
        r=ET.Element('r'); r.extend(kids)
    elif proto=='query':
        if tag(root)!=op+'Response': out.append(f'root <{tag(root)}>')
        r=next((c for c in root if tag(c)==op+'Result'),ET.Element('r'))
        if not any(tag(c)=='ResponseMetadata' for c in root): out.append('no ResponseMetadata/RequestId')
    else: r=root
    ns=root.tag.split('}')[0][1:] if '}' in root.tag else ''
    want=model.metadata.get('xmlNamespace') or {'ec2':'http://ec2.amazonaws.com/doc/2016-11-15'}.get(proto,'')
    if isinstance(want,dict): want=want.get('uri','')
    if ns.rstrip('/')!=(want or ns).rstrip('/'): out.append(f'namespace {ns!r}, model {want!r}')
    if sh is not None: chk(sh,r,op,out)
    return out
if __name__=='__main__':
    import boto3, botocore, botocore.config
    ep=sys.argv[1]; print('botocore',botocore.__version__)
    s=boto3.Session(region_name=os.environ.get('AWS_DEFAULT_REGION','ap-southeast-1'))
    raw={}; U=str(os.getpid())
    def mk(svc):
        c=s.client(svc,endpoint_url=ep)
        orig=c._endpoint.http_session.send
        def send(req,_o=orig):
            r=_o(req); raw['body']=r.content; return r
        c._endpoint.http_session.send=send
        return c
    ec2,elb,r53,sts=mk('ec2'),mk('elbv2'),mk('route53'),mk('sts')
    models={n:load(n) for n in('ec2','elbv2','route53','sts')}
    def run(c,svc,op,**kw):
        from botocore import xform_name
        try:
            r=getattr(c,xform_name(op))(**kw)
        except Exception as e:
            print(f'{svc} {op}: EXC {str(e)[:110]}'); return None
        f=check(models[svc],op,raw['body'])
        print(f'{svc} {op}: '+('clean' if not f else f'{len(f)} findings; '+' | '.join(f)))
        return r
    run(sts,'sts','GetCallerIdentity'); run(sts,'sts','AssumeRole',RoleArn='arn:aws:iam::111111111111:role/linkassay',RoleSessionName='s-1',ExternalId='linkassay-lab')
    v=run(ec2,'ec2','CreateVpc',CidrBlock='10.9.0.0/16')['Vpc']['VpcId']
    sn=run(ec2,'ec2','CreateSubnet',VpcId=v,CidrBlock='10.9.0.0/24')['Subnet']['SubnetId']
    sg=run(ec2,'ec2','CreateSecurityGroup',GroupName='g',Description='d',VpcId=v)['GroupId']
    run(ec2,'ec2','AuthorizeSecurityGroupIngress',GroupId=sg,IpPermissions=[dict(IpProtocol='tcp',FromPort=443,ToPort=443,IpRanges=[dict(CidrIp='10.0.0.0/8')])])
    run(ec2,'ec2','DescribeSecurityGroups',GroupIds=[sg]); run(ec2,'ec2','DescribeAvailabilityZones'); run(ec2,'ec2','DescribeVpcAttribute',VpcId=v,Attribute='enableDnsSupport')
    lb=run(elb,'elbv2','CreateLoadBalancer',Name='n'+U,Type='network',Subnets=[sn],Scheme='internal')['LoadBalancers'][0]['LoadBalancerArn']
    tg=run(elb,'elbv2','CreateTargetGroup',Name='t'+U,Protocol='TCP',Port=443,VpcId=v,TargetType='ip')['TargetGroups'][0]['TargetGroupArn']
    run(elb,'elbv2','RegisterTargets',TargetGroupArn=tg,Targets=[dict(Id='10.9.0.9')]); run(elb,'elbv2','CreateListener',LoadBalancerArn=lb,Protocol='TCP',Port=443,DefaultActions=[dict(Type='forward',TargetGroupArn=tg)])
    run(elb,'elbv2','DescribeTargetHealth',TargetGroupArn=tg); run(elb,'elbv2','DescribeLoadBalancerAttributes',LoadBalancerArn=lb); run(elb,'elbv2','DescribeLoadBalancers')
    sc=run(ec2,'ec2','CreateVpcEndpointServiceConfiguration',NetworkLoadBalancerArns=[lb],AcceptanceRequired=True,PrivateDnsName='a.example.com')['ServiceConfiguration']
    run(ec2,'ec2','DescribeVpcEndpointServiceConfigurations'); run(ec2,'ec2','ModifyVpcEndpointServicePermissions',ServiceId=sc['ServiceId'],AddAllowedPrincipals=['arn:aws:iam::222222222222:root']); run(ec2,'ec2','DescribeVpcEndpointServicePermissions',ServiceId=sc['ServiceId'])
    run(ec2,'ec2','DescribeVpcEndpointServices',ServiceNames=[sc['ServiceName']])
    e=run(ec2,'ec2','CreateVpcEndpoint',VpcId=v,ServiceName=sc['ServiceName'],VpcEndpointType='Interface',SubnetIds=[sn],SecurityGroupIds=[sg])
    run(ec2,'ec2','DescribeVpcEndpoints'); run(ec2,'ec2','DescribeNetworkInterfaces'); run(ec2,'ec2','DescribeVpcEndpointConnections')
    z=run(r53,'route53','CreateHostedZone',Name='z.example.com',CallerReference='c'+U,VPC=dict(VPCRegion=s.region_name,VPCId=v),HostedZoneConfig=dict(PrivateZone=True))['HostedZone']['Id']
    ch=run(r53,'route53','ChangeResourceRecordSets',HostedZoneId=z,ChangeBatch=dict(Changes=[dict(Action='UPSERT',ResourceRecordSet=dict(Name='a.z.example.com',Type='A',TTL=60,ResourceRecords=[dict(Value='10.9.0.7')]))]))
    run(r53,'route53','ListResourceRecordSets',HostedZoneId=z); run(r53,'route53','GetChange',Id=ch['ChangeInfo']['Id']); run(r53,'route53','GetHostedZone',Id=z)
