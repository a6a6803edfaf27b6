"""The machines of a pool's nodes as clients send them: what a cloud would make of them is kept, and means nothing here.

Each element has the properties of all versions; which version has which is the vocabulary's affair.
Source: VirtualMachineConfiguration, UpgradePolicy and CloudServiceConfiguration of all versions.
"""

from __future__ import annotations

from typing import Any

import msgspec

from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.wire.containers import ContainerConfiguration
from linarite.faces.azure_batch.wire.decoding import Element, Worded, plain
from linarite.faces.azure_batch.wire.elements import IdentityReference
from linarite.faces.azure_batch.wire.values import Int32, required

CACHING = ("none", "readonly", "readwrite")
STORAGE = ("standard_lrs", "premium_lrs", "standardssd_lrs")


class ImageReference(Element):
    """The image of the machine; its exact version is the service's to say."""

    publisher: str | None = None
    offer: str | None = None
    sku: str | None = None
    version: str | None = None
    virtual_machine_image_id: str | None = None
    exact_version: str | None = None
    shared_gallery_image_id: str | None = None
    community_gallery_image_id: str | None = None


class WindowsConfiguration(Element):
    """Of machines with Windows."""

    enable_automatic_updates: bool | None = None


class DiskSecurity(Worded):
    """How a disk is secured."""

    spelled = (("security_encryption_type", ("DiskWithVMGuestState", "NonPersistedTPM", "VMGuestStateOnly")),)

    security_encryption_type: str | None = None


class EncryptionSet(Element):
    """Keys of a disk."""

    id: str | None = None


class ManagedDisk(Worded):
    """A disk of the cloud."""

    spelled = (("storage_account_type", STORAGE),)

    disk_encryption_set: EncryptionSet | None = None
    storage_account_type: str | None = None
    security_profile: DiskSecurity | None = None


class DataDisk(Worded):
    """A disk for data; its kind stood beside its size before there were managed disks."""

    spelled = (("caching", CACHING), ("storage_account_type", STORAGE))

    lun: Int32 | None = None
    caching: str | None = None
    disk_size: Int32 | None = msgspec.field(default=None, name="diskSizeGB")
    managed_disk: ManagedDisk | None = None
    storage_account_type: str | None = None


class EphemeralDisk(Worded):
    """Where a disk without a life of its own is."""

    spelled = (("placement", ("cachedisk",)),)

    placement: str | None = None


class OsDisk(Worded):
    """The disk of the system."""

    spelled = (("caching", CACHING),)

    ephemeral: EphemeralDisk | None = msgspec.field(default=None, name="ephemeralOSDiskSettings")
    caching: str | None = None
    disk_size: Int32 | None = msgspec.field(default=None, name="diskSizeGB")
    managed_disk: ManagedDisk | None = None
    write_accelerator_enabled: bool | None = None
    image_uris: list[str] | None = None


class CustomerKey(Element):
    """A key of the customer's own."""

    identity_reference: IdentityReference | None = None
    key_url: str | None = None
    rotation: bool | None = msgspec.field(default=None, name="rotationToLatestKeyVersionEnabled")


class DiskEncryption(Worded):
    """Which disks are encrypted."""

    spelled = (("targets", ("osdisk", "temporarydisk")),)

    customer_managed_key: CustomerKey | None = None
    targets: list[str] | None = None


class Placement(Worded):
    """Where machines stand to each other."""

    spelled = (("policy", ("regional", "zonal")),)

    policy: str | None = None


class Extension(Element):
    """What a cloud would install on the machine of a node."""

    name: str | None = None
    publisher: str | None = None
    type: str | None = None
    type_handler_version: str | None = None
    auto_upgrade_minor_version: bool | None = None
    enable_automatic_upgrade: bool | None = None
    settings: Any = None
    protected_settings: Any = None
    provision_after_extensions: list[str] | None = None


class HostEndpoint(Worded):
    """How an endpoint of the host is guarded."""

    spelled = (("mode", ("Audit", "Enforce")),)

    profile: str | None = msgspec.field(default=None, name="inVMAccessControlProfileReferenceId")
    mode: str | None = None


class ProxyAgent(Element):
    """What guards the endpoints of the host."""

    enabled: bool | None = None
    imds: HostEndpoint | None = None
    wire_server: HostEndpoint | None = None


class UefiSettings(Element):
    """How a machine starts."""

    secure_boot_enabled: bool | None = None
    v_tpm_enabled: bool | None = None


class SecurityProfile(Worded):
    """How a machine is secured."""

    spelled = (("security_type", ("trustedLaunch", "confidentialvm")),)

    encryption_at_host: bool | None = None
    proxy_agent_settings: ProxyAgent | None = None
    security_type: str | None = None
    uefi_settings: UefiSettings | None = None


class ArtifactReference(Element):
    """What sets the version of images."""

    id: str | None = None


class MachineElement(Element):
    """A pool of virtual machines."""

    image_reference: ImageReference | None = None
    node_agent: str | None = msgspec.field(default=None, name="nodeAgentSKUId")
    windows_configuration: WindowsConfiguration | None = None
    data_disks: list[DataDisk] | None = None
    license_type: str | None = None
    container_configuration: ContainerConfiguration | None = None
    disk_encryption_configuration: DiskEncryption | None = None
    node_placement_configuration: Placement | None = None
    extensions: list[Extension] | None = None
    os_disk: OsDisk | None = None
    security_profile: SecurityProfile | None = None
    service_artifact_reference: ArtifactReference | None = None


class AutomaticUpgrade(Element):
    """How a cloud would upgrade the system."""

    disable_automatic_rollback: bool | None = None
    enabled: bool | None = msgspec.field(default=None, name="enableAutomaticOSUpgrade")
    use_rolling_upgrade_policy: bool | None = None
    os_rolling_upgrade_deferral: bool | None = None


class RollingUpgrade(Element):
    """How many machines at once."""

    enable_cross_zone_upgrade: bool | None = None
    max_batch_instance_percent: Int32 | None = None
    max_unhealthy_instance_percent: Int32 | None = None
    max_unhealthy_upgraded_instance_percent: Int32 | None = None
    pause_time_between_batches: str | None = None
    prioritize_unhealthy_instances: bool | None = None
    rollback: bool | None = msgspec.field(default=None, name="rollbackFailedInstancesOnPolicyBreach")


class UpgradePolicy(Worded):
    """How a cloud would upgrade machines."""

    spelled = (("mode", ("automatic", "manual", "rolling")),)

    mode: str | None = None
    automatic: AutomaticUpgrade | None = msgspec.field(default=None, name="automaticOSUpgradePolicy")
    rolling_upgrade_policy: RollingUpgrade | None = None


class CloudService(Element):
    """A pool of a cloud service, of older versions; its present version is the service's to say."""

    os_family: str | None = None
    os_version: str | None = msgspec.field(default=None, name="osVersion")
    target_os_version: str | None = msgspec.field(default=None, name="targetOSVersion")
    current_os_version: str | None = msgspec.field(default=None, name="currentOSVersion")


def checked_machine(machine: MachineElement) -> dict[str, Any]:
    """The machines as they are shown. MissingRequiredProperty; InvalidPropertyValue for an image that is none here."""
    image = machine.image_reference
    if image is None:
        raise missing_property("virtualMachineConfiguration.imageReference")
    if not machine.node_agent:
        raise missing_property("virtualMachineConfiguration.nodeAgentSKUId")
    for extension in machine.extensions or ():
        for name in ("name", "publisher", "type"):
            required(getattr(extension, name), f"virtualMachineConfiguration.extensions.{name}")
    shown: dict[str, Any] = plain(machine)
    for wire, value in shown["imageReference"].items():
        if wire.endswith("ImageId") and value:
            raise invalid_property(wire, value, "There is no such image: this server's nodes have none.")
    shown["imageReference"].pop("exactVersion", None)
    return {**shown, "imageReference": {**shown["imageReference"], "version": image.version or "latest"}}


def checked_policy(policy: UpgradePolicy) -> dict[str, Any]:
    """The policy as it is shown; its mode has to be there."""
    required(policy.mode, "upgradePolicy.mode")
    shown: dict[str, Any] = plain(policy)
    return shown


def checked_service(service: CloudService) -> dict[str, Any]:
    """A cloud service as it is kept: its OS family has to be there."""
    required(service.os_family, "cloudServiceConfiguration.osFamily")
    shown: dict[str, Any] = plain(service)
    shown.pop("currentOSVersion", None)
    return shown
