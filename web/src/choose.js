// What people choose to upload: a list of {file, path} for Uploads.add.

// dropped are the files of a drop, folders with all that is in them; empty ones too.
export async function dropped(transfer) {
  const entries = [...transfer.items].filter(({ kind }) => kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  const path = folder + entry.name;
  try {
    if (entry instanceof File) found.push({ file: entry, path });
    else if (entry.isFile) found.push({ file: await fileOf(entry), path });
    else await walkFolder(entry, path, found);
  } catch {
    found.push({ path, unreadable: true }); // the rest is not lost with it
  }
}

async function walkFolder(folder, path, found) {
  const inside = await entriesOf(folder);
  if (inside.length === 0) found.push({ path });
  for (const entry of inside) await walk(entry, `${path}/`, found);
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

async function entriesOf(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) { // it gives at most a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

// chosen are the files of an input, with the shape of the folder that was chosen. Browsers do not tell of empty folders here.
export function chosen(input) {
  return [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}
