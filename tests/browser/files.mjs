// Files that tests give to the page.

/** A sine of 159 Hz as WAV, 16 kHz mono. */
export function recording(seconds, name = "speech.wav") {
  const samples = 16_000 * seconds;
  const bytes = Buffer.alloc(44 + samples * 2);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(36 + samples * 2, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(16_000, 24);
  bytes.writeUInt32LE(32_000, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++) bytes.writeInt16LE(Math.round(6000 * Math.sin(i / 16)), 44 + i * 2);
  return { name, mimeType: "audio/wav", buffer: bytes };
}

/** A PNG of 600 by 320 pixels with some lines of text. */
export async function picture(context, name = "page.png") {
  const page = await context.newPage();
  await page.setViewportSize({ width: 600, height: 320 });
  const lines = ["Tern reads what is written", "in a picture, word by word,", "and says how sure it is."];
  await page.setContent(`<body style="margin:40px;background:#fff;color:#000;font:28px/50px monospace">${lines.join("<br>")}`);
  const buffer = await page.screenshot();
  await page.close();
  return { name, mimeType: "image/png", buffer };
}
