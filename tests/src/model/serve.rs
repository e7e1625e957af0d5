//! The HTTP side: reads a request, asks the story, and sends the answer at its pace, to its end or to its fault.
//!
//! HTTP/1.1 is written by hand here, since the point of half of the tests is what a well-behaved server library would not do.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

use super::fault::{Fault, RetryAfter};
use super::shared::{Reply, Shared};
use super::wire::{self, Asked, Encoder, Route, Wire};

/// Longest request that is read.
const MAX_REQUEST: usize = 64 * 1024 * 1024;
/// Between two keep-alives of a stalled answer.
const KEEP_ALIVE: Duration = Duration::from_millis(50);
/// Between two pieces of an endless answer.
const ENDLESS: Duration = Duration::from_millis(2);

pub(crate) struct Request {
    method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }
}

/// Serves a connection until either side closes it.
pub(crate) async fn connection(socket: TcpStream, shared: Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    let (mut reader, mut writer) = socket.into_split();
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut reader, &mut buffer).await {
        if answer(&mut reader, &mut writer, &request, &shared).await.is_err() {
            return;
        }
    }
}

/// The next request; none at the end, or for what is no HTTP.
async fn read(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Request> {
    let mut chunk = vec![0; 64 * 1024];
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        match reader.read(&mut chunk).await {
            Ok(count) if count > 0 && buffer.len() < MAX_REQUEST => buffer.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method, target, headers, body: Vec::new() };
    let length: usize = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if length > MAX_REQUEST {
        return None;
    }
    while buffer.len() < length {
        match reader.read(&mut chunk).await {
            Ok(count) if count > 0 => buffer.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
    request.body = buffer.drain(..length).collect();
    Some(request)
}

/// The connection is to be closed.
struct Close;

impl From<std::io::Error> for Close {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// Resolves when the client has gone; what it sends meanwhile is left alone.
async fn gone(reader: &mut OwnedReadHalf) {
    let mut byte = [0; 1];
    match reader.peek(&mut byte).await {
        Ok(count) if count > 0 => std::future::pending().await,
        _ => {}
    }
}

async fn answer(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    request: &Request,
    shared: &Arc<Shared>,
) -> Result<(), Close> {
    match wire::route(&request.method, &request.target, |name| request.header(name)) {
        Route::Models(wire) => {
            let index = shared.models(wire, request);
            match shared.fault(index) {
                Some(fault) => refuse(reader, writer, request, shared, index, wire, &fault).await,
                None => {
                    let body = wire::models_body(wire, &shared.model_names());
                    whole(writer, 200, "", &body).await?;
                    shared.ended(index, 200, true);
                    Ok(())
                }
            }
        }
        Route::Chat(wire, model) => match Asked::read(wire, model, &request.body) {
            Ok(asked) => {
                let (index, reply) = shared.chat(wire, request, asked);
                tokio::select! {
                    biased;
                    done = send(writer, request, shared, index, wire, reply) => {
                        if done.is_err() {
                            // Where the answer didn't end by a fault, it couldn't be written any more.
                            shared.unwritten(index);
                        }
                        done
                    }
                    () = gone(reader) => {
                        shared.gone(index);
                        Err(Close)
                    }
                }
            }
            Err(why) => {
                shared.nobody(Some(wire), request, &why);
                whole(writer, 400, "", &wire::error_body(wire, 400, &why)).await
            }
        },
        Route::Nothing => {
            shared.nobody(None, request, "nobody serves this path");
            whole(writer, 404, "", "404 page not found").await
        }
    }
}

async fn refuse(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    request: &Request,
    shared: &Arc<Shared>,
    index: usize,
    wire: Wire,
    fault: &Fault,
) -> Result<(), Close> {
    tokio::select! {
        biased;
        done = refusal(writer, request, shared, index, wire, fault) => done.map(|_| ()),
        () = gone(reader) => {
            shared.gone(index);
            Err(Close)
        }
    }
}

/// A whole answer with a length.
async fn whole(writer: &mut OwnedWriteHalf, status: u16, headers: &str, body: &str) -> Result<(), Close> {
    let head = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        phrase(status),
        body.len()
    );
    writer.write_all((head + body).as_bytes()).await?;
    writer.flush().await?;
    Ok(())
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Carries out a fault that leaves nothing of the answer. False: the answer follows.
async fn refusal(
    writer: &mut OwnedWriteHalf,
    request: &Request,
    shared: &Arc<Shared>,
    index: usize,
    wire: Wire,
    fault: &Fault,
) -> Result<bool, Close> {
    let (status, headers, body) = match fault {
        Fault::Status(status) => (*status, String::new(), wire::error_body(wire, *status, "scripted to fail")),
        Fault::RateLimited(after) => {
            let header = match after {
                RetryAfter::Seconds(seconds) => format!("retry-after: {seconds}\r\n"),
                RetryAfter::Millis(millis) => format!("retry-after-ms: {millis}\r\n"),
                RetryAfter::Date(wait) => format!("retry-after: {}\r\n", date(*wait)),
                RetryAfter::Unsaid => String::new(),
            };
            (429, header, wire::error_body(wire, 429, "too many requests"))
        }
        Fault::EchoKey(status, form) => {
            let key = wire::echo(*form, |name| request.header(name));
            let headers = format!(
                "x-request-id: {key}\r\nretry-after: {key}\r\nwww-authenticate: Bearer error=\"{key}\"\r\nset-cookie: k={key}\r\n"
            );
            (*status, headers, wire::error_body(wire, *status, &format!("refused for the key {key} that was sent")))
        }
        Fault::ContextOverflow => (400, String::new(), wire::overflow_body(wire)),
        Fault::Redirect(to) => (307, format!("location: {to}\r\n"), String::new()),
        Fault::HangUp => {
            shared.ended(index, 0, false);
            return Err(Close);
        }
        Fault::Silent => std::future::pending().await,
        Fault::LateHeaders(wait) => {
            tokio::time::sleep(*wait).await;
            return Ok(false);
        }
        _ => return Ok(false),
    };
    whole(writer, status, &headers, &body).await?;
    shared.ended(index, status, false);
    Ok(true)
}

/// A point in time as HTTP writes it.
fn date(from_now: Duration) -> String {
    let at = std::time::SystemTime::now() + from_now;
    // A date has no fractions: rounded up, so that it is never earlier than asked for.
    let seconds = at.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis().div_ceil(1000) as i64);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1970-01-01 to a date of the Gregorian calendar: years of 365.2425 days, counted from March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!(
        "{week}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        months[month as usize - 1],
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

async fn chunk(writer: &mut OwnedWriteHalf, text: &str) -> Result<(), Close> {
    if text.is_empty() {
        return Ok(());
    }
    writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
    Ok(())
}

async fn send(
    writer: &mut OwnedWriteHalf,
    request: &Request,
    shared: &Arc<Shared>,
    index: usize,
    wire: Wire,
    reply: Reply,
) -> Result<(), Close> {
    if let Some(fault) = &reply.fault
        && refusal(writer, request, shared, index, wire, fault).await?
    {
        return Ok(());
    }
    if let Some(why) = &reply.refused {
        whole(writer, 400, "", &wire::error_body(wire, 400, why)).await?;
        shared.ended(index, 400, false);
        return Ok(());
    }
    if reply.held_at_headers() {
        reply.wait(shared, index).await;
    }
    let encoder = &reply.encoder;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n",
        encoder.content_type()
    );
    writer.write_all(head.as_bytes()).await?;
    shared.status(index, 200);
    chunk(writer, &encoder.start()).await?;
    let begun = Instant::now();
    let mut delayed = Duration::ZERO;
    for (number, piece) in reply.pieces.iter().enumerate() {
        if reply.hold_before == Some(number) {
            let since = Instant::now();
            reply.wait(shared, index).await;
            delayed += since.elapsed();
        }
        if !reply.interval.is_zero() {
            tokio::time::sleep_until(begun + delayed + reply.interval * (number as u32 + 1)).await;
        }
        chunk(writer, &encoder.piece(piece)).await?;
        shared.piece(index, piece.len());
    }
    if reply.hold_before.is_some_and(|at| at >= reply.pieces.len()) {
        reply.wait(shared, index).await;
    }
    finish(writer, shared, index, encoder, &reply).await
}

async fn finish(
    writer: &mut OwnedWriteHalf,
    shared: &Arc<Shared>,
    index: usize,
    encoder: &Encoder,
    reply: &Reply,
) -> Result<(), Close> {
    match &reply.fault {
        Some(Fault::Cut) => {
            shared.ended(index, 200, false);
            return Err(Close);
        }
        Some(Fault::Stall) => loop {
            tokio::time::sleep(KEEP_ALIVE).await;
            chunk(writer, &encoder.keep_alive()).await?;
        },
        Some(Fault::Endless) => loop {
            for piece in &reply.pieces {
                tokio::time::sleep(ENDLESS).await;
                chunk(writer, &encoder.piece(piece)).await?;
                shared.piece(index, piece.len());
            }
            if reply.pieces.is_empty() {
                tokio::time::sleep(ENDLESS).await;
                chunk(writer, &encoder.piece("on and on\n")).await?;
            }
        },
        Some(Fault::Malformed) => {
            chunk(writer, &encoder.malformed()).await?;
            writer.write_all(b"0\r\n\r\n").await?;
            shared.ended(index, 200, false);
        }
        Some(Fault::ErrorInStream) => {
            chunk(writer, &encoder.error()).await?;
            writer.write_all(b"0\r\n\r\n").await?;
            shared.ended(index, 200, false);
        }
        fault => {
            // Counted as complete before the last byte leaves: whoever has that byte finds it so in the record.
            let last = encoder.end(reply.cut || matches!(fault, Some(Fault::LengthCut)));
            shared.ended(index, 200, true);
            writer.write_all(format!("{:x}\r\n{last}\r\n0\r\n\r\n", last.len()).as_bytes()).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let table = [(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT")];
        for (seconds, expected) in table {
            // The past can't be asked for: only the later one is, and the earlier by the same arithmetic is skipped.
            if let Some(wait) = Duration::from_secs(seconds).checked_sub(now) {
                assert_eq!(date(wait - Duration::from_millis(500)), expected);
            }
        }
    }
}
