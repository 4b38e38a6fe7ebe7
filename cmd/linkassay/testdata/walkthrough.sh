#!/usr/bin/env bash
# The walk-through typed with the AWS CLI against a running lab: walkthrough.sh DIR, where DIR is
# the lab's --dir. Every step asserts what AWS would show.
set -euo pipefail
dir=$1
. "$dir/env"
region=ap-southeast-1
name=api-svc.intra.chartsinvestor.com

say() { printf '== %s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
provider() { aws --profile provider --output text "$@"; }
consumer() { aws --profile consumer --output text "$@"; }
equal() { [ "$2" = "$3" ] || die "$1: got '$2', want '$3'"; }

# What needs nothing of each other runs side by side, since a call of the CLI takes half a second and more:
# ids go to files in $tmp, and joined waits for every job and fails if one did.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
jobs_=()
job() { "$@" & jobs_+=($!); }
into() { local file=$1; shift; "$@" >"$tmp/$file"; }
joined() { local j; for j in "${jobs_[@]}"; do wait "$j" || die "a step of: $1"; done; jobs_=(); }

# until WHAT WANT COMMAND...: polls (bounded) until the command prints WANT.
until_is() {
  local what=$1 want=$2 got=; shift 2
  for _ in $(seq 1 100); do
    got=$("$@" 2>&1) || true
    [ "$got" = "$want" ] && return 0
  done
  die "$what: still '$got', want '$want'"
}

say "who am I"
equal "provider account" "$(provider sts get-caller-identity --query Account)" 111111111111
equal "consumer account" "$(consumer sts get-caller-identity --query Account)" 222222222222

say "1 provider: VPC, subnets in three zones, targets, load balancer"
vpc=$(provider ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId)
until_is "VPC state" available provider ec2 describe-vpcs --vpc-ids "$vpc" --query 'Vpcs[0].State'
subnets=()
for n in 1 2 3; do
  job into "subnet$n" provider ec2 create-subnet --vpc-id "$vpc" --availability-zone-id "apse1-az$n" --cidr-block "10.0.$n.0/24" --query Subnet.SubnetId
done
job into group provider ec2 create-security-group --group-name targets --description targets --vpc-id "$vpc" --query GroupId
job into image provider ec2 describe-images --owners amazon --query "Images[0].ImageId"
joined "subnets, security group, image"
for n in 1 2 3; do subnets+=("$(<"$tmp/subnet$n")"); done
group=$(<"$tmp/group") image=$(<"$tmp/image")
provider ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 80 --cidr 10.0.0.0/16 >/dev/null
targets=()
for s in "${subnets[@]}"; do
  job into "target.$s" provider ec2 run-instances --image-id "$image" --instance-type t4g.nano --subnet-id "$s" --security-group-ids "$group" --query 'Instances[0].InstanceId'
done
job into lb provider elbv2 create-load-balancer --name walkthrough --type network --scheme internal --subnets "${subnets[@]}" --query 'LoadBalancers[0].LoadBalancerArn'
job into tg provider elbv2 create-target-group --name walkthrough --protocol TCP --port 80 --vpc-id "$vpc" --target-type instance --query 'TargetGroups[0].TargetGroupArn'
joined "instances, load balancer, target group"
for s in "${subnets[@]}"; do targets+=("$(<"$tmp/target.$s")"); done
lb=$(<"$tmp/lb") tg=$(<"$tmp/tg")
until_is "instances" "running	running	running" provider ec2 describe-instances --instance-ids "${targets[@]}" --query 'Reservations[].Instances[].State.Name'
job provider elbv2 register-targets --target-group-arn "$tg" --targets $(printf 'Id=%s ' "${targets[@]}")
job into listener provider elbv2 create-listener --load-balancer-arn "$lb" --protocol TCP --port 80 --default-actions "Type=forward,TargetGroupArn=$tg"
joined "targets and listener"
until_is "load balancer" active provider elbv2 describe-load-balancers --load-balancer-arns "$lb" --query 'LoadBalancers[0].State.Code'
until_is "targets" "healthy	healthy	healthy" provider elbv2 describe-target-health --target-group-arn "$tg" --query 'TargetHealthDescriptions[].TargetHealth.State'

say "1 provider: endpoint service"
svc=$(provider ec2 create-vpc-endpoint-service-configuration --network-load-balancer-arns "$lb" --acceptance-required --query ServiceConfiguration.ServiceId)
svcname=$(provider ec2 describe-vpc-endpoint-service-configurations --service-ids "$svc" --query 'ServiceConfigurations[0].ServiceName')
equal "service name" "$svcname" "com.amazonaws.vpce.$region.$svc"

say "2 consumer: not allowed yet"
if out=$(consumer ec2 describe-vpc-endpoint-services --service-names "$svcname" 2>&1); then die "the service is visible: $out"; fi
case $out in *InvalidServiceName*"does not exist"*) ;; *) die "another error: $out" ;; esac
provider ec2 modify-vpc-endpoint-service-permissions --service-id "$svc" --add-allowed-principals arn:aws:iam::222222222222:root >/dev/null
until_is "visible service" "$svcname" consumer ec2 describe-vpc-endpoint-services --service-names "$svcname" --query 'ServiceNames[0]'

say "2 consumer: VPC with the same CIDR, endpoint"
cvpc=$(consumer ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId)
job consumer ec2 modify-vpc-attribute --vpc-id "$cvpc" --enable-dns-support Value=true
job consumer ec2 modify-vpc-attribute --vpc-id "$cvpc" --enable-dns-hostnames Value=true
csubnets=()
for n in 1 2 3; do
  job into "csubnet$n" consumer ec2 create-subnet --vpc-id "$cvpc" --availability-zone-id "apse1-az$n" --cidr-block "10.0.$n.0/24" --query Subnet.SubnetId
done
job into cgroup consumer ec2 create-security-group --group-name endpoint --description endpoint --vpc-id "$cvpc" --query GroupId
joined "DNS attributes, subnets, security group"
for n in 1 2 3; do csubnets+=("$(<"$tmp/csubnet$n")"); done
cgroup=$(<"$tmp/cgroup")
consumer ec2 authorize-security-group-ingress --group-id "$cgroup" --protocol tcp --port 80 --cidr 10.0.0.0/16 >/dev/null
ep=$(consumer ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id "$cvpc" --service-name "$svcname" --subnet-ids "${csubnets[@]}" --security-group-ids "$cgroup" --no-private-dns-enabled --query VpcEndpoint.VpcEndpointId)
state() { consumer ec2 describe-vpc-endpoints --vpc-endpoint-ids "$ep" --query 'VpcEndpoints[0].State'; }
equal "endpoint state" "$(state)" pendingAcceptance
address=$(consumer ec2 describe-network-interfaces --filters "Name=vpc-id,Values=$cvpc" --query 'NetworkInterfaces[?InterfaceType==`vpc_endpoint`]|[0].PrivateIpAddress')
socks=$(sed -n 's|.*socks5://||p' "$dir/link.yaml" | head -1)
rc=0; curl -sS --socks5 "$socks" --connect-timeout 1 --max-time 2 "http://$address/" >/dev/null 2>&1 || rc=$?
equal "curl before the acceptance (28 is a timeout)" "$rc" 28

say "3 provider: accept"
until_is "connection" "$ep" provider ec2 describe-vpc-endpoint-connections --filters "Name=service-id,Values=$svc" "Name=vpc-endpoint-state,Values=pendingAcceptance" --query 'VpcEndpointConnections[0].VpcEndpointId'
provider ec2 accept-vpc-endpoint-connections --service-id "$svc" --vpc-endpoint-ids "$ep" >/dev/null
until_is "endpoint state" available state

say "4 consumer: AWS-assigned names answer"
for dns in $(consumer ec2 describe-vpc-endpoints --vpc-endpoint-ids "$ep" --query 'VpcEndpoints[0].DnsEntries[].DnsName'); do
  curl -sS --socks5-hostname "$socks" --max-time 10 "http://$dns/" | grep -q 'linkassay target' || die "no answer from $dns"
done

say "5 provider: private DNS name, TXT, verification"
provider ec2 modify-vpc-endpoint-service-configuration --service-id "$svc" --private-dns-name "$name" >/dev/null
read -r label value <<<"$(provider ec2 describe-vpc-endpoint-service-configurations --service-ids "$svc" --query 'ServiceConfigurations[0].PrivateDnsNameConfiguration.[Name,Value]')"
zone=$(provider route53 list-hosted-zones-by-name --dns-name chartsinvestor.com --query 'HostedZones[0].Id')
change=$(provider route53 change-resource-record-sets --hosted-zone-id "$zone" --query ChangeInfo.Id --change-batch \
  "{\"Changes\":[{\"Action\":\"UPSERT\",\"ResourceRecordSet\":{\"Name\":\"$label.$name\",\"Type\":\"TXT\",\"TTL\":60,\"ResourceRecords\":[{\"Value\":\"\\\"$value\\\"\"}]}}]}")
until_is "change" INSYNC provider route53 get-change --id "$change" --query ChangeInfo.Status
provider ec2 start-vpc-endpoint-service-private-dns-verification --service-id "$svc" >/dev/null
until_is "verification" verified provider ec2 describe-vpc-endpoint-service-configurations --service-ids "$svc" --query 'ServiceConfigurations[0].PrivateDnsNameConfiguration.State'

say "6 consumer: private DNS"
consumer ec2 modify-vpc-endpoint --vpc-endpoint-id "$ep" --private-dns-enabled >/dev/null
until_is "endpoint state" available state
answered=
for _ in $(seq 1 100); do
  if curl -sS --socks5-hostname "$socks" --max-time 10 "http://$name/" 2>/dev/null | grep -q 'linkassay target'; then answered=yes; break; fi
done
equal "the private name answers" "$answered" yes
regional=$(consumer ec2 describe-vpc-endpoints --vpc-endpoint-ids "$ep" --query 'VpcEndpoints[0].DnsEntries[0].DnsName')
python3 "$(dirname "$0")/resolve.py" "$socks" 10.0.0.2 "$name" "$regional" >"$tmp/resolved"
{ read -r private; read -r aws; } <"$tmp/resolved"
own=$(consumer ec2 describe-network-interfaces --filters "Name=vpc-id,Values=$cvpc" --query 'NetworkInterfaces[?InterfaceType==`vpc_endpoint`].PrivateIpAddress' | tr '\t' '\n' | sort | tr '\n' ' ')
equal "addresses of the private and of the regional name" "$private" "$aws"
equal "addresses of the private name and of the endpoint's interfaces" "$private" "${own% }"
equal "interfaces" "$(wc -w <<<"$private")" 3

say "reject, and remove everything"
provider ec2 reject-vpc-endpoint-connections --service-id "$svc" --vpc-endpoint-ids "$ep" >/dev/null
equal "endpoint state" "$(state)" rejected
out=$(aws --profile consumer --output json ec2 delete-vpc-endpoints --vpc-endpoint-ids "$ep" vpce-0123456789abcdef0)
case $out in *InvalidVpcEndpoint.NotFound*) ;; *) die "delete-vpc-endpoints: $out" ;; esac
until_is "endpoints" None consumer ec2 describe-vpc-endpoints --filters "Name=vpc-endpoint-id,Values=$ep" --query 'VpcEndpoints[0].State'
if out=$(provider elbv2 delete-load-balancer --load-balancer-arn "$lb" 2>&1); then die "a load balancer in a service was deleted"; fi
case $out in *ResourceInUse*) ;; *) die "another error: $out" ;; esac
out=$(provider ec2 delete-vpc-endpoint-service-configurations --service-ids "$svc")
equal "unsuccessful" "$out" ""
provider elbv2 delete-load-balancer --load-balancer-arn "$lb"
provider elbv2 delete-target-group --target-group-arn "$tg"
provider ec2 terminate-instances --instance-ids "${targets[@]}" >/dev/null
# A terminated instance may still be listed.
until_is "instances" "" provider ec2 describe-instances --query 'Reservations[].Instances[].State.Name' \
  --filters "Name=instance-id,Values=$(IFS=,; echo "${targets[*]}")" Name=instance-state-name,Values=pending,running,shutting-down,stopping,stopped
job into gone.group provider ec2 delete-security-group --group-id "$group"
job into gone.cgroup consumer ec2 delete-security-group --group-id "$cgroup"
for s in "${subnets[@]}"; do job provider ec2 delete-subnet --subnet-id "$s"; done
for s in "${csubnets[@]}"; do job consumer ec2 delete-subnet --subnet-id "$s"; done
joined "security groups and subnets"
job provider ec2 delete-vpc --vpc-id "$vpc"
job consumer ec2 delete-vpc --vpc-id "$cvpc"
joined "VPCs"
say "walk-through complete"
