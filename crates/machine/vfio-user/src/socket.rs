//! Whole messages over a UNIX socket, with files beside them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::wire::{Header, LARGEST_DATA};

/// Bytes of a message at most: data, and in front of it a header and a body.
const LARGEST_MESSAGE: usize = LARGEST_DATA + 4096;
/// Files that one message brings along at most.
const MOST_FILES: usize = 8;

/// A message that came.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) header: Header,
    /// What follows the header.
    pub(crate) body: Vec<u8>,
    /// Files that came with it or before it.
    pub(crate) files: Vec<OwnedFd>,
}

/// What came of looking for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// Everything that has arrived was taken in.
    AllTaken,
    /// Likewise, and nothing more will come.
    End,
}

/// The receiving half, with what has arrived and is not whole yet.
pub(crate) struct Receiver {
    stream: UnixStream,
    bytes: Vec<u8>,
    files: Vec<OwnedFd>,
    messages: VecDeque<Message>,
}

/// The sending half. A peer that takes nothing in is an error after the stream's time limit.
pub(crate) struct Sender {
    stream: UnixStream,
    next: u16,
}

/// Both halves of a connection; sending gives up after `limit`.
pub(crate) fn halves(stream: UnixStream, limit: Duration) -> io::Result<(Sender, Receiver)> {
    stream.set_write_timeout(Some(limit))?;
    let sender = Sender { stream: stream.try_clone()?, next: 0 };
    let receiver = Receiver { stream, bytes: Vec::new(), files: Vec::new(), messages: VecDeque::new() };
    Ok((sender, receiver))
}

/// Waits until one of the files can be read, or has ended, up to `patience`.
pub(crate) fn wait_for(files: &[BorrowedFd<'_>], patience: Duration) -> io::Result<()> {
    let mut waiting: Vec<PollFd<'_>> =
        files.iter().map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN)).collect();
    let patience = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    match poll(&mut waiting, Some(&patience)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Receiver {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// The next whole message that was taken in.
    pub(crate) fn next(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Whether a message has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Takes in what has arrived, without waiting. What cannot be a message is an error of kind `InvalidData`.
    pub(crate) fn take_in(&mut self) -> io::Result<Arrival> {
        let mut chunk = vec![0; 1 << 16];
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let got = match recvmsg(&self.stream, &mut [IoSliceMut::new(&mut chunk)], &mut beside, flags) {
                Ok(got) => got.bytes,
                Err(rustix::io::Errno::AGAIN) => return Ok(Arrival::AllTaken),
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::CONNRESET) => 0,
                Err(error) => return Err(error.into()),
            };
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(files) = message {
                    self.files.extend(files);
                }
            }
            if got == 0 {
                return Ok(Arrival::End);
            }
            self.bytes.extend_from_slice(chunk.get(..got).unwrap_or_default());
            self.cut()?;
        }
    }

    /// Cuts the bytes into messages.
    fn cut(&mut self) -> io::Result<()> {
        while let Ok((header, _)) = Header::read_from_prefix(&self.bytes) {
            let size = header.size as usize;
            if !(Header::BYTES..=LARGEST_MESSAGE).contains(&size) {
                let text = format!("a message of {size} bytes (command {})", header.command);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            if self.bytes.len() < size {
                break;
            }
            let rest = self.bytes.split_off(size);
            let mut message = std::mem::replace(&mut self.bytes, rest);
            let body = message.split_off(Header::BYTES);
            self.messages.push_back(Message { header, body, files: std::mem::take(&mut self.files) });
        }
        Ok(())
    }
}

impl Sender {
    /// Sends a command with what `parts` hold and perhaps a file; its number.
    pub(crate) fn command(
        &mut self,
        command: u16,
        parts: &[&[u8]],
        file: Option<BorrowedFd<'_>>,
    ) -> io::Result<u16> {
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.send(Header { id, command, ..Header::default() }, parts, file)?;
        Ok(id)
    }

    /// Sends a message; its size is filled in.
    pub(crate) fn send(
        &mut self,
        header: Header,
        parts: &[&[u8]],
        file: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let body: usize = parts.iter().map(|part| part.len()).sum();
        let size = u32::try_from(Header::BYTES + body).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(size as usize);
        bytes.extend_from_slice(Header { size, ..header }.as_bytes());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        let Some(file) = file else { return self.stream.write_all(&bytes) };
        let files = [file];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        beside.push(SendAncillaryMessage::ScmRights(&files));
        let sent = sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL)?;
        self.stream.write_all(bytes.get(sent..).unwrap_or_default())
    }

    /// Ends the connection, so that who waits for messages wakes up.
    pub(crate) fn end(&self) {
        // Ended already by the other side: that is what was wanted.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
