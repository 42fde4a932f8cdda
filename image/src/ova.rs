//! The parts of an OVA (DSP0243 1.1.1) that no tool makes as the importers want them: the descriptor and its manifest. tar puts the
//! .ovf first, then the .mf, then the disk (§5.1).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::inputs;

/// A streamOptimized VMDK has its descriptor, as text, in the sectors behind the header.
const DESCRIPTOR: u64 = 512;
const DESCRIPTOR_SIZE: usize = 20 * 512;
/// What an importer asks for; the appliance reads it at its first boot (docs/adr/0029). A test of postern-os holds both together.
const PROPERTIES: &str = include_str!("../ovf-properties.xml");

/// Gives a VMDK a constant content identifier: qemu-img draws it by lot. It only matters to chains of disks.
///
/// # Errors
/// When it has no such descriptor.
pub fn settle_vmdk(disk: &Path) -> anyhow::Result<()> {
    let file = File::options().read(true).write(true).open(disk).with_context(|| format!("open {}", disk.display()))?;
    let mut descriptor = vec![0; DESCRIPTOR_SIZE];
    file.read_exact_at(&mut descriptor, DESCRIPTOR)?;
    let at = descriptor.windows(5).position(|w| w == b"\nCID=").with_context(|| format!("{} has no content identifier", disk.display()))?;
    let place = at + 5;
    ensure!(descriptor[place..place + 8].iter().all(u8::is_ascii_hexdigit), "{}: a strange content identifier", disk.display());
    file.write_all_at(b"0badcafe", DESCRIPTOR + place as u64)?;
    Ok(())
}

/// Writes `NAME.ovf` and `NAME.mf` beside the disk.
///
/// # Errors
/// When the disk cannot be read.
pub fn describe(disk: &Path, folder: &Path, name: &str, version: &str, capacity: u64) -> anyhow::Result<()> {
    let size = fs::metadata(disk).with_context(|| format!("read {}", disk.display()))?.len();
    let file = disk.file_name().unwrap_or_default().to_string_lossy();
    let text = ovf(&file, size, name, version, capacity);
    fs::write(folder.join(format!("{name}.ovf")), &text)?;
    let ovf_hash = inputs::file(&folder.join(format!("{name}.ovf")))?;
    let manifest = format!("SHA256({name}.ovf)= {ovf_hash}\nSHA256({file})= {}\n", inputs::file(disk)?);
    fs::write(folder.join(format!("{name}.mf")), manifest)?;
    Ok(())
}

fn ovf(file: &str, size: u64, name: &str, version: &str, capacity: u64) -> String {
    let gibibytes = capacity >> 30;
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope vmw:buildId="postern-{version}" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
    <File ovf:href="{file}" ovf:id="file1" ovf:size="{size}"/>
  </References>
  <DiskSection>
    <Info>The disk; its data partition grows with it</Info>
    <Disk ovf:capacity="{gibibytes}" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="VM Network">
      <Description>Where mail comes from, and the way to the mail servers</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>Postern mail security gateway</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest">
      <Info>Debian GNU/Linux 12 (64-bit)</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection ovf:transport="iso com.vmware.guestInfo">
      <Info>2 CPUs, 2 GiB</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-15</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:Description>Number of virtual CPUs</rasd:Description>
        <rasd:ElementName>2 virtual CPUs</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>2</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:Description>Memory</rasd:Description>
        <rasd:ElementName>2048 MB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>2048</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:Description>SCSI controller</rasd:Description>
        <rasd:ElementName>SCSI controller 0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Hard disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>7</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>VM Network</rasd:Connection>
        <rasd:ElementName>Network adapter 1</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:Description>SATA controller</rasd:Description>
        <rasd:ElementName>SATA controller 0</rasd:ElementName>
        <rasd:InstanceID>6</rasd:InstanceID>
        <rasd:ResourceSubType>vmware.sata.ahci</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>false</rasd:AutomaticAllocation>
        <rasd:Description>Where the importer puts the properties (transport iso)</rasd:Description>
        <rasd:ElementName>CD drive 1</rasd:ElementName>
        <rasd:InstanceID>7</rasd:InstanceID>
        <rasd:Parent>6</rasd:Parent>
        <rasd:ResourceSubType>vmware.cdrom.remotepassthrough</rasd:ResourceSubType>
        <rasd:ResourceType>15</rasd:ResourceType>
      </Item>
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
      <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"/>
    </VirtualHardwareSection>
    <ProductSection ovf:class="postern">
      <Info>The product, and what may be said about its first boot</Info>
      <Product>Postern</Product>
      <Version>{version}</Version>
{PROPERTIES}    </ProductSection>
  </VirtualSystem>
</Envelope>
"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_and_hashes_are_those_of_the_disk() {
        let scratch = tempfile::tempdir().unwrap();
        let disk = scratch.path().join("postern-disk1.vmdk");
        let mut content = vec![0; 512 + DESCRIPTOR_SIZE];
        let text = b"# Disk DescriptorFile\nversion=1\nCID=a1b2c3d4\nparentCID=ffffffff\n";
        content[512..512 + text.len()].copy_from_slice(text);
        fs::write(&disk, &content).unwrap();
        settle_vmdk(&disk).unwrap();
        describe(&disk, scratch.path(), "postern", "1.0", 16 << 30).unwrap();
        let ovf = fs::read_to_string(scratch.path().join("postern.ovf")).unwrap();
        assert!(ovf.contains(&format!("ovf:size=\"{}\"", content.len())) && ovf.contains("ovf:capacity=\"16\""));
        // Each item has a number of its own, and its parent is there; the properties' prefix is declared.
        let all = |tag: &str| -> Vec<String> {
            ovf.split(&format!("<rasd:{tag}>")).skip(1).map(|rest| rest.split('<').next().unwrap_or_default().to_owned()).collect()
        };
        let (ids, parents) = (all("InstanceID"), all("Parent"));
        assert_eq!(ids, ["1", "2", "3", "4", "5", "6", "7"]);
        assert!(parents.iter().all(|p| ids.contains(p)), "{parents:?}");
        assert!(ovf.contains("ovf:transport=\"iso com.vmware.guestInfo\"") && ovf.matches("<Property ovf:key=").count() >= 11);
        let manifest = fs::read_to_string(scratch.path().join("postern.mf")).unwrap();
        assert!(manifest.contains(&format!("SHA256(postern-disk1.vmdk)= {}", inputs::file(&disk).unwrap())), "{manifest}");
        let settled = fs::read(&disk).unwrap();
        assert!(settled.windows(13).any(|w| w == b"\nCID=0badcafe") && settled.windows(18).any(|w| w == b"parentCID=ffffffff"));
        fs::write(&disk, vec![0; 512 + DESCRIPTOR_SIZE]).unwrap();
        assert!(settle_vmdk(&disk).is_err());
    }
}
