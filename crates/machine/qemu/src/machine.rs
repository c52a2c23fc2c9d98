//! A running QEMU and its qtest commands.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use dxgk_hw::PhysAddr;
use dxgk_shm::Ram;
use tempfile::TempDir;

use crate::board::{Board, UnitModel};
use crate::error::QemuError;
use crate::find::Installed;
use crate::qtest::{self, Connection};
use crate::ram::GuestRam;
use crate::rom;
use crate::watchdog::{Happened, Watched};

/// How long QEMU may take to come up. It takes 0.02 to 0.06 s; a machine under load takes longer.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// RAM files live here where it exists, so that a sparse file costs memory, not disk writes.
const MEMORY_FOLDER: &str = "/dev/shm";

/// The machine to start: a q35, or the Arm machine, with RAM and devices.
#[derive(Clone)]
pub struct Options {
    board: Board,
    ram: RamChoice,
    unit: Option<UnitModel>,
    devices: Vec<String>,
}

#[derive(Clone)]
enum RamChoice {
    Own(u64),
    Shared(Arc<Ram>),
}

impl Options {
    /// A q35 with `ram_bytes` of RAM (a multiple of 2 MiB) and no devices of its own. The RAM may be larger than
    /// the host's; only touched pages cost anything.
    #[must_use]
    pub fn new(ram_bytes: u64) -> Self {
        Self { board: Board::Q35, ram: RamChoice::Own(ram_bytes), unit: None, devices: Vec::new() }
    }

    /// The machine that has this IOMMU, with RAM that this process has mapped too.
    #[must_use]
    pub fn with_unit(unit: UnitModel, ram: Arc<Ram>) -> Self {
        Self { board: unit.board(), ram: RamChoice::Shared(ram), unit: Some(unit), devices: Vec::new() }
    }

    /// Adds a `-device` argument. An IOMMU has to come before the devices behind it.
    #[must_use]
    pub fn device(mut self, argument: impl Into<String>) -> Self {
        self.devices.push(argument.into());
        self
    }
}

/// How virtual time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VirtualTime {
    /// It jumps to the next timer by itself whenever the halted CPU has nothing to do (`-icount sleep=off`).
    Jumps,
    /// It stands until `clock_step` (`-accel qtest`).
    Stepped,
}

/// A running QEMU without guest code. Killed and reaped on drop, and also when this process dies in any way.
#[derive(Debug)]
pub struct Qemu {
    // Order matters on drop: first the process, then its files.
    process: Mutex<Watched>,
    connection: Mutex<Connection>,
    ram: GuestRam,
    installed: Installed,
    board: Board,
    time: VirtualTime,
    stderr: PathBuf,
    _folder: TempDir,
}

impl Qemu {
    /// Starts `installed` as the machine that `options` describes and connects to its qtest socket.
    ///
    /// # Errors
    /// [`QemuError::NotStarted`] with QEMU's own words if it refuses the options; [`QemuError::Host`] if a file or
    /// socket cannot be made; [`QemuError::Unsupported`] for a RAM size that is no multiple of 2 MiB.
    pub fn start(installed: &Installed, options: &Options) -> Result<Self, QemuError> {
        let folder = machine_folder()?;
        let at = |name: &str| folder.path().join(name);
        let ram = match &options.ram {
            RamChoice::Own(bytes) => GuestRam::create(&at("ram"), *bytes, options.board)?,
            RamChoice::Shared(ram) => GuestRam::of(ram, options.board)?,
        };
        if let Some(reason) = options.unit.and_then(|unit| unit.missing_in(installed)) {
            return Err(QemuError::NotInstalled { reason: format!("{installed} will not do: {reason}") });
        }
        let rom = at("halt.rom");
        fs::write(&rom, rom::halt_rom(options.board)).map_err(host("cannot write", &rom))?;
        let stderr = at("stderr");
        let output = File::create(&stderr).map_err(host("cannot create", &stderr))?;
        let socket = at("qtest");
        let listener = UnixListener::bind(&socket).map_err(host("cannot listen on", &socket))?;
        listener.set_nonblocking(true).map_err(host("cannot listen on", &socket))?;

        let time = if installed.has_qtest_accelerator() { VirtualTime::Stepped } else { VirtualTime::Jumps };
        let arguments = arguments(installed, options, time, &ram, &rom, &socket);
        let mut process =
            Watched::start(installed.path().as_os_str(), arguments.iter().map(OsString::as_os_str), &output)
                .map_err(host("cannot run", installed.path()))?;
        let connection = connect(&listener, &mut process).map_err(|reason| QemuError::NotStarted {
            qemu: installed.to_string(),
            reason,
            stderr: last_words(&stderr),
        })?;
        // Both sides have the RAM open. Without its name it goes away with them, even if this process is killed.
        if matches!(options.ram, RamChoice::Own(_)) {
            fs::remove_file(at("ram")).map_err(host("cannot unlink", folder.path()))?;
        }
        Ok(Self {
            process: Mutex::new(process),
            connection: Mutex::new(connection),
            ram,
            installed: installed.clone(),
            board: options.board,
            time,
            stderr,
            _folder: folder,
        })
    }

    /// The QEMU that runs. Prints as `QEMU <version>`.
    #[must_use]
    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    /// The machine's type.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board
    }

    /// Guest RAM, read and written as a file, without asking QEMU.
    #[must_use]
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// Whether QEMU still runs. Some malformed tables make some device models abort.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(process.wait(Duration::ZERO), Ok(None))
    }

    /// Sends one qtest command and returns what follows `OK`.
    ///
    /// # Errors
    /// [`QemuError::Refused`] for any other answer, [`QemuError::Silent`] for none.
    pub fn ask(&self, command: &str) -> Result<String, QemuError> {
        let mut answers = self.ask_all(&[command.to_owned()])?;
        answers.pop().ok_or_else(|| self.refused(command, String::new()))
    }

    /// Sends several qtest commands at once and returns what follows each `OK`. Much of a command's time goes into
    /// waking QEMU and being woken by it; this does both once.
    ///
    /// # Errors
    /// As [`Qemu::ask`], for the first command that fails; the later ones were carried out nonetheless.
    pub fn ask_all(&self, commands: &[String]) -> Result<Vec<String>, QemuError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // All answers are taken before any is judged, so that the next command does not get this one's.
        let mut answers = Vec::with_capacity(commands.len());
        for (index, command) in commands.iter().enumerate() {
            let answer = if index == 0 { connection.ask(&commands.join("\n")) } else { connection.answer() };
            answers.push(answer.map_err(|source| QemuError::Silent {
                qemu: self.installed.to_string(),
                command: command.clone(),
                source,
                stderr: last_words(&self.stderr),
            })?);
        }
        let judge = |(answer, command): (String, &String)| match qtest::accepted(&answer) {
            Some(rest) => Ok(rest.to_owned()),
            None => Err(self.refused(command, answer)),
        };
        answers.into_iter().zip(commands).map(judge).collect()
    }

    fn refused(&self, command: &str, answer: String) -> QemuError {
        QemuError::Refused { qemu: self.installed.to_string(), command: command.to_owned(), answer }
    }

    /// Reads 64-bit words of memory or registers, at once and in this order.
    ///
    /// # Errors
    /// As [`Qemu::ask_all`].
    pub fn readq_all(&self, addresses: &[PhysAddr]) -> Result<Vec<u64>, QemuError> {
        let commands: Vec<String> = addresses.iter().map(|physical| format!("readq {physical}")).collect();
        let answers = self.ask_all(&commands)?;
        answers.into_iter().zip(&commands).map(|(answer, command)| self.number(command, answer)).collect()
    }

    fn ask_number(&self, command: &str) -> Result<u64, QemuError> {
        let answer = self.ask(command)?;
        self.number(command, answer)
    }

    pub(crate) fn number(&self, command: &str, answer: String) -> Result<u64, QemuError> {
        qtest::number(&answer).ok_or_else(|| self.refused(command, answer))
    }

    /// Reads `bytes` bytes through the CPU's view of memory: RAM, ROM or registers.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn read(&self, physical: PhysAddr, bytes: usize) -> Result<Vec<u8>, QemuError> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let command = format!("read {physical} {bytes:#x}");
        let answer = self.ask(&command)?;
        match qtest::bytes(&answer) {
            Some(read) if read.len() == bytes => Ok(read),
            _ => Err(self.refused(&command, answer)),
        }
    }

    /// Writes bytes through the CPU's view of memory.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn write(&self, physical: PhysAddr, bytes: &[u8]) -> Result<(), QemuError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.ask(&format!("write {physical} {:#x} {}", bytes.len(), qtest::hex(bytes))).map(drop)
    }

    /// Lets virtual time pass, so that device timers fire: where the clock is stepped, by `nanoseconds`; where it
    /// jumps by itself, QEMU is given a moment of host time.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn let_time_pass(&self, nanoseconds: u64) -> Result<(), QemuError> {
        // Any command makes QEMU's main loop, which runs the timers, go round.
        let command = self.step_command(nanoseconds).unwrap_or_else(|| "endianness".to_owned());
        self.ask(&command).map(drop)
    }

    /// The command that lets time pass, where it does not pass by itself.
    pub(crate) fn step_command(&self, nanoseconds: u64) -> Option<String> {
        (self.time == VirtualTime::Stepped).then(|| format!("clock_step {nanoseconds}"))
    }
}

/// One pair of qtest commands for each access width.
macro_rules! accesses {
    ($($read:ident, $write:ident, $command_read:literal, $command_write:literal, $type:ty, $address:ident: $address_type:ty, $words:literal;)*) => {
        impl Qemu {
            $(
                #[doc = concat!("Reads ", $words, ".\n\n# Errors\nAs [`Qemu::ask`].")]
                pub fn $read(&self, $address: $address_type) -> Result<$type, QemuError> {
                    let command = format!(concat!($command_read, " {}"), $address);
                    let value = self.ask_number(&command)?;
                    <$type>::try_from(value).map_err(|_| self.refused(&command, format!("OK {value:#x}")))
                }

                #[doc = concat!("Writes ", $words, ".\n\n# Errors\nAs [`Qemu::ask`].")]
                pub fn $write(&self, $address: $address_type, value: $type) -> Result<(), QemuError> {
                    self.ask(&format!(concat!($command_write, " {} {:#x}"), $address, value)).map(drop)
                }
            )*
        }
    };
}

accesses! {
    readb, writeb, "readb", "writeb", u8, physical: PhysAddr, "a byte of memory or of a register";
    readw, writew, "readw", "writew", u16, physical: PhysAddr, "a 16-bit word of memory or a register";
    readl, writel, "readl", "writel", u32, physical: PhysAddr, "a 32-bit word of memory or a register";
    readq, writeq, "readq", "writeq", u64, physical: PhysAddr, "a 64-bit word of memory or a register";
    inb, outb, "inb", "outb", u8, port: u16, "an 8-bit I/O port";
    inw, outw, "inw", "outw", u16, port: u16, "a 16-bit I/O port";
    inl, outl, "inl", "outl", u32, port: u16, "a 32-bit I/O port";
}

fn host<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> QemuError + 'a {
    move |source| QemuError::Host { what, path: path.to_owned(), source }
}

fn machine_folder() -> Result<TempDir, QemuError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("dxgk-qemu-");
    builder.tempdir_in(MEMORY_FOLDER).or_else(|_| builder.tempdir()).map_err(|source| QemuError::Host {
        what: "cannot make a folder for the machine, neither among the temporary files nor in",
        path: PathBuf::from(MEMORY_FOLDER),
        source,
    })
}

fn arguments(
    installed: &Installed,
    options: &Options,
    time: VirtualTime,
    ram: &GuestRam,
    rom: &Path,
    socket: &Path,
) -> Vec<OsString> {
    let with = |text: &str, path: &Path| {
        let mut argument = OsString::from(text);
        argument.push(path);
        argument
    };
    let mut list: Vec<OsString> =
        ["-no-user-config", "-nodefaults", "-display", "none"].map(OsString::from).to_vec();
    list.extend(["-M", options.board.machine(), "-cpu", "max"].map(OsString::from));
    match time {
        VirtualTime::Jumps => {
            list.extend(["-accel", "tcg", "-icount", "shift=0,sleep=off"].map(OsString::from));
        }
        VirtualTime::Stepped => list.extend(["-accel", "qtest"].map(OsString::from)),
    }
    let bytes = ram.bytes();
    list.extend([OsString::from("-m"), OsString::from(format!("{}M", bytes >> 20))]);
    let backend = format!("memory-backend-file,id=ram,size={bytes},share=on,reserve=off,mem-path=");
    list.extend([OsString::from("-object"), with(&backend, ram.path())]);
    list.extend([OsString::from("-bios"), rom.as_os_str().to_owned()]);
    list.extend([OsString::from("-qtest"), with("unix:", socket)]);
    list.extend(["-qtest-log", "none"].map(OsString::from));
    for argument in options.unit.iter().flat_map(|unit| unit.arguments(installed)) {
        list.push(OsString::from(argument));
    }
    for device in &options.devices {
        list.extend([OsStr::new("-device").to_owned(), OsString::from(device)]);
    }
    list
}

/// Waits until QEMU has connected and answers. It connects before it looks at its devices, and answers after.
fn connect(listener: &UnixListener, process: &mut Watched) -> Result<Connection, String> {
    let stream = accept(listener, process)?;
    let mut connection =
        Connection::new(stream).map_err(|error| format!("its qtest socket cannot be used: {error}"))?;
    let unanswered = match connection.ask("endianness") {
        Ok(answer) if answer == "OK little" => return Ok(connection),
        Ok(answer) => return Err(format!("it answered `{answer}` when asked for its endianness")),
        Err(error) => error,
    };
    match process.wait(Duration::from_secs(1)) {
        Ok(Some(status)) => Err(format!("it ended with {status}")),
        Ok(None) | Err(_) => Err(format!("it connected, but did not answer: {unanswered}")),
    }
}

fn accept(listener: &UnixListener, process: &mut Watched) -> Result<UnixStream, String> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match process.wait_or_readable(listener.as_fd(), left) {
            Ok(Happened::Readable) => {}
            Ok(Happened::Ended(status)) => return Err(format!("it ended with {status}")),
            Ok(Happened::Nothing) => {
                return Err(format!("it did not connect within {} s", START_PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("it cannot be waited for: {error}")),
        }
        match listener.accept() {
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(format!("its qtest socket cannot be accepted: {error}")),
        }
    }
}

/// The end of what QEMU wrote to its standard error.
fn last_words(stderr: &Path) -> String {
    const KEPT: usize = 2000;
    let bytes = fs::read(stderr).unwrap_or_default();
    let tail = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
    let text = String::from_utf8_lossy(tail).trim().to_owned();
    if text.is_empty() { "nothing".to_owned() } else { text }
}
